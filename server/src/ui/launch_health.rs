//! The launch form's part about health: fields as typed and the check they make.

use runtime::request::{CreateContainer, HealthCheck};

use super::{
    launch_input::{Complaints, Input},
    request::Fields,
    shell::{shell_line, split_line},
};
use crate::{i18n::Texts, ops::spelled};

/// As typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthForm {
    kind: String,
    command: String,
    interval: String,
    timeout: String,
    retries: String,
    start_period: String,
    start_interval: String,
}

impl HealthForm {
    /// From what was sent.
    pub fn read(fields: &Fields) -> Self {
        Self {
            kind: fields.text("health_kind"),
            command: fields.lines("health_command"),
            interval: fields.text("health_interval"),
            timeout: fields.text("health_timeout"),
            retries: fields.text("health_retries"),
            start_period: fields.text("health_start_period"),
            start_interval: fields.text("health_start_interval"),
        }
    }

    /// As an existing container has it.
    pub fn like(request: &CreateContainer) -> Self {
        let Some(check) = &request.health else { return Self::default() };
        let (kind, command) = match check.test.split_first().map(|(kind, rest)| (kind.as_str(), rest)) {
            Some(("NONE", _)) => ("none", String::new()),
            Some(("CMD", rest)) => ("exec", shell_line(rest)),
            Some((_, rest)) => ("shell", rest.join(" ")),
            None => ("", String::new()),
        };
        let time = |time: Option<std::time::Duration>| time.map(spelled::from_time).unwrap_or_default();
        Self {
            kind: kind.to_owned(),
            command,
            interval: time(check.interval),
            timeout: time(check.timeout),
            retries: check.retries.map_or_else(String::new, |count| count.to_string()),
            start_period: time(check.start_period),
            start_interval: time(check.start_interval),
        }
    }

    /// Puts the check into the request.
    pub fn apply(&self, made: &mut CreateContainer, complaints: &mut Complaints) {
        // A command without a choice is meant to be run.
        let kind = if self.kind.is_empty() && !self.command.is_empty() { "shell" } else { &self.kind };
        let test = match kind {
            "none" => vec!["NONE".to_owned()],
            "shell" | "exec" if self.command.is_empty() => {
                complaints.say("hc", "launch-health-command", "launch-health-command-wrong");
                Vec::new()
            }
            "shell" => vec!["CMD-SHELL".to_owned(), self.command.clone()],
            "exec" => {
                let words =
                    complaints.read(("hc", "launch-health-command", "launch-quote-open"), &self.command, split_line);
                std::iter::once("CMD".to_owned()).chain(words.unwrap_or_default()).collect()
            }
            _ => Vec::new(),
        };
        let mut time = |field, label, text: &str| {
            let read = |text: &str| spelled::time(text).filter(|time| time.is_zero() || time.as_millis() > 0);
            complaints.read((field, label, "launch-time-wrong"), text, read).filter(|time| !time.is_zero())
        };
        let check = HealthCheck {
            test,
            interval: time("hi", "launch-health-interval", &self.interval),
            timeout: time("ht", "launch-health-timeout", &self.timeout),
            start_period: time("hs", "launch-health-start-period", &self.start_period),
            start_interval: time("hv", "launch-health-start-interval", &self.start_interval),
            retries: complaints
                .read(("hr", "launch-health-retries", "launch-count-wrong"), &self.retries, |text| text.parse().ok())
                .filter(|count| *count > 0),
        };
        made.health = Some(check).filter(|check| *check != HealthCheck::default());
    }

    /// Its fields.
    pub fn inputs(&self, t: Texts) -> Vec<Input> {
        let kinds = [
            ("", t.get("launch-health-image")),
            ("shell", t.get("launch-health-shell")),
            ("exec", t.get("launch-health-exec")),
            ("none", t.get("launch-health-none")),
        ];
        vec![
            Input::choice("hk", "health_kind", t.get("launch-health-kind"), &kinds, &self.kind),
            Input::text("hc", "health_command", t.get("launch-health-command"), &self.command)
                .hint(t.get("launch-health-command-hint")),
            Input::text("hi", "health_interval", t.get("launch-health-interval"), &self.interval)
                .hint(t.get("launch-time-hint")),
            Input::text("ht", "health_timeout", t.get("launch-health-timeout"), &self.timeout),
            Input::number("hr", "health_retries", t.get("launch-health-retries"), &self.retries),
            Input::text("hs", "health_start_period", t.get("launch-health-start-period"), &self.start_period),
            Input::text("hv", "health_start_interval", t.get("launch-health-start-interval"), &self.start_interval),
        ]
    }

    /// The closed section's line.
    pub fn line(&self, t: Texts) -> String {
        match self.kind.as_str() {
            "none" => t.get("launch-health-none"),
            _ if !self.command.is_empty() => self.command.clone(),
            _ => t.get("launch-health-image"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn made(text: &str) -> (Option<HealthCheck>, Vec<String>) {
        let (mut made, mut complaints) = (CreateContainer::default(), Complaints::new(Texts::default()));
        HealthForm::read(&Fields::parse(text.as_bytes())).apply(&mut made, &mut complaints);
        (made.health, complaints.wrong.into_iter().map(|wrong| wrong.field).collect())
    }

    #[test]
    fn a_check_comes_back_as_it_went() {
        let words = |text: &str| text.split('|').map(str::to_owned).collect::<Vec<_>>();
        for test in ["CMD-SHELL|curl -f http://localhost || exit 1\nsecond line", "CMD|a|b c", "NONE"] {
            let check = HealthCheck {
                test: words(&test.replace(" || ", " or ")),
                interval: Some(Duration::from_secs(90)),
                timeout: Some(Duration::from_millis(1500)),
                start_period: Some(Duration::from_secs(3)),
                start_interval: Some(Duration::from_nanos(1_000_001)),
                retries: Some(2),
            };
            let request = CreateContainer { health: Some(check), ..CreateContainer::default() };
            let (mut again, mut complaints) = (CreateContainer::default(), Complaints::new(Texts::default()));
            HealthForm::like(&request).apply(&mut again, &mut complaints);
            assert_eq!((again.health, complaints.wrong), (request.health, Vec::new()));
        }
    }

    #[test]
    fn nothing_is_the_image_s_and_a_command_alone_is_run() {
        assert_eq!(made("health_kind=&health_interval="), (None, vec![]));
        assert_eq!(made("health_command=true").0.unwrap().test, ["CMD-SHELL", "true"]);
        let wrong =
            made("health_kind=exec&health_command=%27&health_interval=soon&health_retries=-1&health_timeout=1us");
        assert_eq!(wrong.1, ["hc", "hi", "ht", "hr"]);
        assert_eq!(made("health_kind=shell").1, ["hc"]);
    }
}
