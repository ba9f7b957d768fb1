//! The launch form's part about a container's end and its log: how it is stopped, who keeps what it writes.

use std::time::Duration;

use runtime::request::CreateContainer;

use super::{
    launch_input::{Complaints, Input, pair_lines, pair_of},
    request::Fields,
};
use crate::{
    i18n::Texts,
    ops::{log_options, spelled},
};

/// As typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LifeForm {
    stop_signal: String,
    stop_timeout: String,
    log_driver: String,
    log_options: String,
}

impl LifeForm {
    /// From what was sent.
    pub fn read(fields: &Fields) -> Self {
        Self {
            stop_signal: fields.text("stop_signal"),
            stop_timeout: fields.text("stop_timeout"),
            log_driver: fields.text("log_driver"),
            log_options: fields.lines("log_options"),
        }
    }

    /// As an existing container has it.
    pub fn like(request: &CreateContainer) -> Self {
        Self {
            stop_signal: request.stop_signal.clone().unwrap_or_default(),
            stop_timeout: request.stop_timeout.map(spelled::from_time).unwrap_or_default(),
            log_driver: request.log_driver.name().to_owned(),
            log_options: pair_lines(&request.log_options),
        }
    }

    /// Puts it into the request.
    pub fn apply(&self, made: &mut CreateContainer, complaints: &mut Complaints) {
        let signal = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-".contains(&byte));
        let rule = ("sg", "launch-stop-signal", "launch-stop-signal-wrong");
        made.stop_signal = complaints.read(rule, &self.stop_signal, |text| signal(text).then(|| text.to_owned()));
        // Docker counts whole seconds.
        let whole = |time: &Duration| time.subsec_nanos() == 0;
        let rule = ("so", "launch-stop-timeout", "launch-stop-timeout-wrong");
        made.stop_timeout = complaints.read(rule, &self.stop_timeout, |text| spelled::time(text).filter(whole));
        let rule = ("lo", "launch-log-options", "launch-log-options-wrong");
        let options: std::collections::BTreeMap<_, _> =
            complaints.read_lines(rule, &self.log_options, pair_of).into_iter().collect();
        if made.log_driver.name() == self.log_driver && made.log_options == options {
            return;
        }
        if let Err(error) = log_options::keep(made, Some(&self.log_driver), options) {
            let field = if error.message().contains("log driver \"") { "ld" } else { "lo" };
            complaints.tell(field, "launch-log-options", error.message().to_owned());
        }
    }

    /// Fields about its end.
    pub fn stop_inputs(&self, t: Texts) -> Vec<Input> {
        vec![
            Input::text("sg", "stop_signal", t.get("launch-stop-signal"), &self.stop_signal)
                .hint(t.get("launch-stop-signal-hint")),
            Input::text("so", "stop_timeout", t.get("launch-stop-timeout"), &self.stop_timeout)
                .hint(t.get("launch-stop-timeout-hint")),
        ]
    }

    /// Fields about its log.
    pub fn log_inputs(&self, t: Texts) -> Vec<Input> {
        let drivers = [
            ("json-file", t.get("launch-log-json-file")),
            ("local", t.get("launch-log-local")),
            ("none", t.get("launch-log-none")),
        ];
        vec![
            Input::choice("ld", "log_driver", t.get("launch-log-driver"), &drivers, &self.log_driver),
            Input::lines("lo", "log_options", t.get("launch-log-options"), &self.log_options)
                .hint(t.get("launch-log-options-hint")),
        ]
    }

    /// The closed section's line about its log.
    pub fn line(&self) -> String {
        let driver = if self.log_driver.is_empty() { "json-file" } else { &self.log_driver };
        [driver, &self.log_options].join(" ").replace('\n', " ").trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use runtime::request::LogDriver;

    use super::*;

    fn made(text: &str) -> (CreateContainer, Vec<String>) {
        let (mut made, mut complaints) = (CreateContainer::default(), Complaints::new(Texts::default()));
        LifeForm::read(&Fields::parse(text.as_bytes())).apply(&mut made, &mut complaints);
        (made, complaints.wrong.into_iter().map(|wrong| wrong.field).collect())
    }

    #[test]
    fn it_comes_back_as_it_went() {
        let text =
            "stop_signal=SIGRTMIN%2B3&stop_timeout=90&log_driver=local&log_options=max-size%3D10m%0D%0Amax-file%3D3";
        let (request, wrong) = made(text);
        assert_eq!(wrong, [""; 0]);
        assert_eq!((request.log_driver, request.log.segments), (LogDriver::Local, 3));
        assert_eq!(LifeForm::like(&request).stop_timeout, "1m30s");
        let (mut again, mut complaints) = (CreateContainer::default(), Complaints::new(Texts::default()));
        LifeForm::like(&request).apply(&mut again, &mut complaints);
        assert_eq!((again, complaints.wrong), (request, Vec::new()));
    }

    #[test]
    fn each_wrong_one_is_named() {
        assert_eq!(made("stop_signal=a+b&stop_timeout=500ms&log_options=x").1, ["sg", "so", "lo"]);
        assert_eq!(made("log_driver=syslog").1, ["ld"]);
        assert_eq!(made("log_driver=local&log_options=colour%3Dred").1, ["lo"]);
    }
}
