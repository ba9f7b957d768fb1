//! The launch form's part about limits beyond memory, cores and processes.

use runtime::request::{CreateContainer, Rlimit};

use super::{
    launch_input::{Complaints, Input},
    request::Fields,
};
use crate::{i18n::Texts, ops::spelled};

/// As typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitsForm {
    reservation: String,
    swap: String,
    shares: String,
    cpuset: String,
    io_weight: String,
    oom_score: String,
    shm: String,
    ulimits: String,
}

impl LimitsForm {
    /// From what was sent.
    pub fn read(fields: &Fields) -> Self {
        Self {
            reservation: fields.text("reservation"),
            swap: fields.text("swap"),
            shares: fields.text("shares"),
            cpuset: fields.text("cpuset"),
            io_weight: fields.text("io_weight"),
            oom_score: fields.text("oom_score"),
            shm: fields.text("shm"),
            ulimits: fields.lines("ulimits"),
        }
    }

    /// As an existing container has it.
    pub fn like(request: &CreateContainer) -> Self {
        let limits = &request.limits;
        let size = |size: Option<u64>| match size {
            Some(u64::MAX) => "-1".to_owned(),
            size => size.map(spelled::from_bytes).unwrap_or_default(),
        };
        let number = |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
        Self {
            reservation: size(limits.memory_reservation_bytes),
            swap: size(limits.memory_swap_bytes),
            shares: number(limits.cpu_shares),
            cpuset: limits.cpuset_cpus.clone().unwrap_or_default(),
            io_weight: number(limits.blkio_weight.map(u64::from)),
            oom_score: request.oom_score_adj.map_or_else(String::new, |score| score.to_string()),
            shm: size(request.shm_size_bytes),
            ulimits: request.rlimits.iter().map(ulimit_line).collect::<Vec<_>>().join("\n"),
        }
    }

    /// Puts them into the request, whose memory limit is there already.
    pub fn apply(&self, made: &mut CreateContainer, complaints: &mut Complaints) {
        let size = |text: &str| spelled::bytes(text).filter(|size| *size > 0);
        let limits = &mut made.limits;
        let least = |text: &str| spelled::bytes(text).filter(|size| *size >= 6 << 20);
        let reservation = ("mr", "launch-reservation", "launch-size-wrong");
        limits.memory_reservation_bytes = complaints.read(reservation, &self.reservation, least);
        if let (Some(soft), Some(hard)) = (limits.memory_reservation_bytes, limits.memory_bytes)
            && soft > hard
        {
            complaints.say("mr", "launch-reservation", "launch-reservation-wrong");
        }
        let swap = |text: &str| if text == "-1" { Some(u64::MAX) } else { size(text) };
        limits.memory_swap_bytes = complaints.read(("ms", "launch-swap", "launch-size-wrong"), &self.swap, swap);
        if let Some(both) = limits.memory_swap_bytes
            && limits.memory_bytes.is_none_or(|memory| both < memory)
        {
            complaints.say("ms", "launch-swap", "launch-swap-wrong");
        }
        let shares = |text: &str| text.parse().ok().filter(|shares| (2..=262_144).contains(shares));
        limits.cpu_shares = complaints.read(("cw", "settings-shares", "launch-shares-wrong"), &self.shares, shares);
        let cpuset = |text: &str| is_cpuset(text).then(|| text.to_owned());
        limits.cpuset_cpus = complaints.read(("cs", "settings-cpuset", "launch-cpuset-wrong"), &self.cpuset, cpuset);
        let weight = |text: &str| text.parse().ok().filter(|weight| (10..=1000).contains(weight));
        let label = ("iw", "settings-io-weight", "launch-io-weight-wrong");
        limits.blkio_weight = complaints.read(label, &self.io_weight, weight);
        let score = |text: &str| text.parse().ok().filter(|score| (-1000..=1000).contains(score));
        let label = ("os", "launch-oom-score", "launch-oom-score-wrong");
        made.oom_score_adj = complaints.read(label, &self.oom_score, score).filter(|score| *score != 0);
        made.shm_size_bytes = complaints.read(("sh", "launch-shm", "launch-size-wrong"), &self.shm, size);
        let label = ("ul", "launch-ulimits", "launch-ulimits-wrong");
        made.rlimits = complaints.read_lines(label, &self.ulimits, ulimit_of);
    }

    /// Its fields.
    pub fn inputs(&self, t: Texts) -> Vec<Input> {
        vec![
            Input::text("mr", "reservation", t.get("launch-reservation"), &self.reservation)
                .hint(t.get("launch-size-hint")),
            Input::text("ms", "swap", t.get("launch-swap"), &self.swap).hint(t.get("launch-swap-hint")),
            Input::text("sh", "shm", t.get("launch-shm"), &self.shm).hint(t.get("launch-shm-hint")),
            Input::number("cw", "shares", t.get("settings-shares"), &self.shares),
            Input::text("cs", "cpuset", t.get("settings-cpuset"), &self.cpuset).hint(t.get("launch-cpuset-hint")),
            Input::number("iw", "io_weight", t.get("settings-io-weight"), &self.io_weight),
            Input::text("os", "oom_score", t.get("launch-oom-score"), &self.oom_score),
            Input::lines("ul", "ulimits", t.get("launch-ulimits"), &self.ulimits).hint(t.get("launch-ulimits-hint")),
        ]
    }
}

/// `0-2,4`.
fn is_cpuset(text: &str) -> bool {
    let is_number = |text: &str| text.parse::<u16>().is_ok();
    text.split(',').all(|part| part.split_once('-').map_or(is_number(part), |(a, b)| is_number(a) && is_number(b)))
}

/// As `--ulimit` has it.
pub fn ulimit_line(limit: &Rlimit) -> String {
    let value = |value: u64| if value == u64::MAX { "-1".to_owned() } else { value.to_string() };
    if limit.soft == limit.hard {
        return format!("{}={}", limit.name, value(limit.soft));
    }
    format!("{}={}:{}", limit.name, value(limit.soft), value(limit.hard))
}

fn ulimit_of(line: &str) -> Option<Rlimit> {
    let value = |text: &str| match text.trim() {
        "-1" | "unlimited" => Some(u64::MAX),
        text => text.parse().ok(),
    };
    let (name, values) = line.split_once('=')?;
    let name = name.trim();
    let known = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase());
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let (soft, hard) = (value(soft)?, value(hard)?);
    (known && soft <= hard).then(|| Rlimit { name: name.to_owned(), soft, hard })
}

#[cfg(test)]
mod tests {
    use runtime::request::Limits;

    use super::*;

    fn made(text: &str) -> (CreateContainer, Vec<String>) {
        let limits = Limits { memory_bytes: Some(64 << 20), ..Limits::default() };
        let mut made = CreateContainer { limits, ..CreateContainer::default() };
        let mut complaints = Complaints::new(Texts::default());
        LimitsForm::read(&Fields::parse(text.as_bytes())).apply(&mut made, &mut complaints);
        (made, complaints.wrong.into_iter().map(|wrong| wrong.field).collect())
    }

    #[test]
    fn limits_come_back_as_they_went() {
        let text = "reservation=32m&swap=-1&shares=512&cpuset=0-1%2C3&io_weight=300&oom_score=-5&shm=1536k\
                    &ulimits=nofile%3D1024%3A2048%0D%0Acore%3D-1";
        let (request, wrong) = made(text);
        assert_eq!(wrong, [""; 0]);
        assert_eq!((request.limits.memory_swap_bytes, request.shm_size_bytes), (Some(u64::MAX), Some(1536 << 10)));
        assert_eq!(request.rlimits[1], Rlimit { name: "core".into(), soft: u64::MAX, hard: u64::MAX });
        let mut again = made("").0;
        LimitsForm::like(&request).apply(&mut again, &mut Complaints::new(Texts::default()));
        assert_eq!(again, request);
    }

    #[test]
    fn each_wrong_one_is_named() {
        let text = "reservation=65m&swap=1m&shares=1&cpuset=x&io_weight=9&oom_score=1001&shm=0&ulimits=nofile%3D5%3A1";
        assert_eq!(made(text).1, ["mr", "ms", "cw", "cs", "iw", "os", "sh", "ul"]);
    }
}
