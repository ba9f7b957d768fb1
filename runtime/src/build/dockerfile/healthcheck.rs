//! HEALTHCHECK.

use std::time::Duration;

use super::{
    duration,
    flags::{Flags, Kind},
    instruction::{Command, Healthcheck, Instruction},
    words::{self, quoted},
};

const FLAGS: [(&str, Kind); 5] = [
    ("interval", Kind::One),
    ("timeout", Kind::One),
    ("start-period", Kind::One),
    ("start-interval", Kind::One),
    ("retries", Kind::One),
];
const SHORTEST: Duration = Duration::from_millis(1);

pub(super) fn parse(flags: &[String], arguments: &str) -> Result<Instruction, String> {
    if arguments.is_empty() {
        return Err("HEALTHCHECK requires at least one argument".to_owned());
    }
    let (kind, rest) = match arguments.find(char::is_whitespace) {
        Some(at) => (&arguments[..at], arguments[at..].trim_start()),
        None => (arguments, ""),
    };
    let kind = kind.to_uppercase();
    let mut flags = Flags::parse(flags, &FLAGS)?;
    match kind.as_str() {
        "NONE" if rest.is_empty() => return Ok(Instruction::Healthcheck(Healthcheck::None)),
        "NONE" => return Err("HEALTHCHECK NONE takes no arguments".to_owned()),
        "CMD" => {}
        _ => return Err(format!("Unknown type {} in HEALTHCHECK (try CMD)", quoted(&kind))),
    }
    let command = match words::json(rest)? {
        Some(arguments) => Command::Exec(arguments),
        None => Command::Shell(rest.to_owned()),
    };
    if command == Command::Shell(String::new()) || command == Command::Exec(Vec::new()) {
        return Err("Missing command after HEALTHCHECK CMD".to_owned());
    }
    let mut interval = |name: &str| {
        let Some(text) = flags.one(name) else { return Ok(None) };
        let value = duration::parse(&text)?;
        if value.is_zero() {
            return Ok(None);
        }
        if value < SHORTEST {
            return Err(format!("Interval {} cannot be less than 1ms", quoted(name)));
        }
        Ok(Some(value))
    };
    let (every, timeout) = (interval("interval")?, interval("timeout")?);
    let (start_period, start_interval) = (interval("start-period")?, interval("start-interval")?);
    let retries = match flags.one("retries") {
        None => None,
        Some(text) => Some(retries(&text)?),
    };
    Ok(Instruction::Healthcheck(Healthcheck::Probe {
        command,
        interval: every,
        timeout,
        start_period,
        start_interval,
        retries: retries.filter(|retries| *retries != 0),
    }))
}

fn retries(text: &str) -> Result<u32, String> {
    let number: i32 = text.parse().map_err(|_| format!("invalid value for --retries: {}", quoted(text)))?;
    u32::try_from(number).map_err(|_| format!("--retries cannot be negative ({number})"))
}
