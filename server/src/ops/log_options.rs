//! Who keeps the log, and how much of it.

use std::collections::BTreeMap;

use regex::Regex;
use runtime::{
    error::{Error, Result},
    request::{CreateContainer, LogDriver, LogLimits},
};

use super::{
    log_tag::{CHOICES, PATTERNS, Tag},
    spelled,
};

/// Docker's limits of the driver `local`.
const LOCAL: LogLimits = LogLimits { segment_bytes: 20 << 20, segments: 5 };

type Options = BTreeMap<String, String>;

/// Takes what was asked for over into the request: a driver by Docker's name, and its options.
///
/// # Errors
/// In Docker's words, a driver or option that isn't there or makes no sense.
pub fn keep(made: &mut CreateContainer, asked: Option<&str>, options: Options) -> Result<()> {
    let driver = match asked {
        None | Some("" | "json-file") => LogDriver::JsonFile,
        Some("local") => LogDriver::Local,
        Some("none") => LogDriver::None,
        Some(driver) => return Err(missing(&format!("the log driver {driver:?}"))),
    };
    if driver.keeps() {
        known(driver, &options)?;
        made.log = limits(driver, &options)?;
        chosen(&options)?;
    }
    (made.log_driver, made.log_options) = (driver, options);
    Ok(())
}

fn missing(what: &str) -> Error {
    Error::unsupported(format!("Darsena does not support {what} yet"))
}

/// Refuses options that the driver does not have, in Docker's words.
fn known(driver: LogDriver, options: &Options) -> Result<()> {
    let mode = options.get("mode").map_or("", String::as_str);
    if !["", "blocking", "non-blocking"].contains(&mode) {
        return Err(Error::invalid(format!("logger: logging mode not supported: {mode}")));
    }
    if let Some(size) = options.get("max-buffer-size") {
        if mode != "non-blocking" {
            let text = "logger: max-buffer-size option is only supported with 'mode=non-blocking'";
            return Err(Error::invalid(text));
        }
        if spelled::bytes(size).is_none() {
            return Err(Error::invalid(format!("error parsing option max-buffer-size: invalid size: '{size}'")));
        }
    }
    let limits = ["max-size", "max-file", "compress", "mode", "max-buffer-size", "tag"];
    let is_known = |name: &str| limits.contains(&name) || CHOICES.contains(&name) || PATTERNS.contains(&name);
    if let Some(name) = options.keys().find(|name| !is_known(name)) {
        let of = match driver {
            LogDriver::JsonFile => "json-file log driver",
            _ => "log driver local",
        };
        return Err(Error::invalid(format!("unknown log opt '{name}' for {of}")));
    }
    if mode == "non-blocking" {
        return Err(missing("log options that let output be dropped (mode=non-blocking)"));
    }
    Ok(())
}

fn wrong(text: impl std::fmt::Display) -> Error {
    Error::invalid(format!("failed to initialize logging driver: {text}"))
}

/// How much is kept.
fn limits(driver: LogDriver, options: &Options) -> Result<LogLimits> {
    let local = driver == LogDriver::Local;
    let wrong_value = |name: &str, value: &str, why: &str| {
        wrong(if local { format!("invalid value for {name}: {value}: {why}") } else { why.to_owned() })
    };
    let size = options.get("max-size").map(|text| match text.as_str() {
        "-1" => Ok(u64::MAX),
        _ => spelled::bytes(text).ok_or_else(|| wrong_value("max-size", text, &format!("invalid size: '{text}'"))),
    });
    let size = size.transpose()?;
    if size == Some(0) {
        return Err(wrong("max-size must be a positive number"));
    }
    let files = options.get("max-file").map(|text| {
        let why = format!("strconv.Atoi: parsing {text:?}: invalid syntax");
        text.parse::<i64>().map_err(|_| wrong_value("max-file", text, &why))
    });
    let files = match files.transpose()? {
        Some(count) if count < 1 => return Err(wrong("max-file cannot be less than 1")),
        count => count.map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
    };
    // Logs are not compressed, which changes nothing of what can be read.
    let compress = options.get("compress").map(|text| match text.as_str() {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => {
            let why = format!("strconv.ParseBool: parsing {text:?}: invalid syntax");
            Err(wrong(if local { format!("invalid boolean value for compress: {why}") } else { why }))
        }
    });
    let compress = compress.transpose()?;
    if local {
        if compress.unwrap_or(true) && files == Some(1) {
            return Err(wrong("compression cannot be enabled when max file count is 1"));
        }
        let limits =
            LogLimits { segment_bytes: size.unwrap_or(LOCAL.segment_bytes), segments: files.unwrap_or(LOCAL.segments) };
        return Ok(if size.is_none() && files.is_none() { LogLimits::default() } else { limits });
    }
    if compress == Some(true) && (files.is_none_or(|count| count == 1) || size.is_none()) {
        return Err(wrong("compress cannot be true when max-file is less than 2 or max-size is not set"));
    }
    // The number of files means something only beside their size.
    Ok(size.map_or_else(LogLimits::default, |size| LogLimits { segment_bytes: size, segments: files.unwrap_or(1) }))
}

/// What `docker logs --details` shows must be readable later.
fn chosen(options: &Options) -> Result<()> {
    for name in PATTERNS {
        if let Some(pattern) = options.get(*name)
            && let Err(error) = Regex::new(pattern)
        {
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
            return Err(wrong(format!("error parsing regexp: {why}: `{pattern}`")));
        }
    }
    match options.get("tag").map(|tag| Tag::parse(tag)) {
        Some(Err(part)) => Err(missing(&format!("{part:?} in a log tag"))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(kind: &str, options: &[(&str, &str)]) -> Result<CreateContainer> {
        let config = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut made = CreateContainer::default();
        keep(&mut made, Some(kind), config)?;
        Ok(made)
    }

    #[test]
    fn limits_are_as_the_driver_has_them() {
        let mib = |size: u64, segments| LogLimits { segment_bytes: size << 20, segments };
        for (kind, options, wanted) in [
            ("", &[][..], LogLimits::default()),
            ("local", &[], LogLimits::default()),
            ("json-file", &[], LogLimits::default()),
            ("json-file", &[("max-file", "3")], LogLimits::default()),
            ("json-file", &[("max-size", "10m")], mib(10, 1)),
            ("json-file", &[("max-size", "10m"), ("max-file", "3"), ("compress", "true")], mib(10, 3)),
            ("json-file", &[("max-size", "-1")], LogLimits { segment_bytes: u64::MAX, segments: 1 }),
            ("local", &[("max-size", "10m")], mib(10, 5)),
            ("local", &[("max-file", "2")], mib(20, 2)),
            ("local", &[("max-file", "1"), ("compress", "false")], mib(20, 1)),
            ("", &[("max-size", "10m"), ("max-file", "1")], mib(10, 1)),
        ] {
            let made = kept(kind, options).unwrap();
            assert_eq!(made.log, wanted, "{kind} {options:?}");
            assert_eq!(made.log_options.len(), options.len());
        }
        let made = kept("none", &[("anything", "goes")]).unwrap();
        assert_eq!((made.log_driver, made.log_options["anything"].as_str()), (LogDriver::None, "goes"));
    }

    #[test]
    fn refusals_are_dockers() {
        for (kind, option, words) in [
            ("json-file", ("colour", "red"), "unknown log opt 'colour' for json-file log driver"),
            ("local", ("colour", "red"), "unknown log opt 'colour' for log driver local"),
            ("", ("colour", "red"), "unknown log opt 'colour' for json-file log driver"),
            ("json-file", ("max-size", "much"), "failed to initialize logging driver: invalid size: 'much'"),
            ("local", ("max-size", "much"), "invalid value for max-size: much: invalid size: 'much'"),
            ("json-file", ("max-size", "0"), "max-size must be a positive number"),
            ("json-file", ("max-file", "0"), "max-file cannot be less than 1"),
            ("json-file", ("max-file", "x"), "strconv.Atoi: parsing \\\"x\\\": invalid syntax"),
            ("json-file", ("compress", "true"), "compress cannot be true when max-file is less than 2"),
            ("json-file", ("compress", "so"), "strconv.ParseBool: parsing \\\"so\\\": invalid syntax"),
            ("local", ("max-file", "1"), "compression cannot be enabled when max file count is 1"),
            ("local", ("mode", "odd"), "logger: logging mode not supported: odd"),
            ("local", ("max-buffer-size", "1m"), "only supported with 'mode=non-blocking'"),
            ("local", ("labels-regex", "("), "error parsing regexp: unclosed group: `(`"),
            ("local", ("mode", "non-blocking"), "Darsena does not support log options that let output be dropped"),
            ("local", ("tag", "{{.Colour}}"), "{{.Colour}}"),
            ("syslog", ("tag", "x"), "Darsena does not support the log driver"),
        ] {
            let text = format!("{:?}", kept(kind, &[option]).unwrap_err());
            assert!(text.contains(words) || text.replace('\\', "").contains(&words.replace('\\', "")), "{text}");
        }
    }
}
