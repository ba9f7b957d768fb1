//! Texts and formats in two languages.
//!
//! One Fluent catalogue per language in `web/locales`, read once, inside the binary. Keys are named by place
//! (`containers-list-title`), sentences are whole with named parts. Numbers, dates and sizes are written here and nowhere
//! else. A test fails on a key or part that one language has and the other lacks, and on a key no page uses.

use std::sync::LazyLock;

use axum::http::{HeaderMap, header};
use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};
use jiff::{Timestamp, tz::TimeZone};

const ENGLISH: &str = include_str!("../../web/locales/en.ftl");
const SPANISH: &str = include_str!("../../web/locales/es.ftl");

/// A language the pages speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Spanish.
    Spanish,
}

impl Language {
    /// Its code, for `lang`.
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Spanish => "es",
        }
    }

    /// From its code.
    pub fn parse(code: &str) -> Option<Self> {
        match code {
            "en" => Some(Self::English),
            "es" => Some(Self::Spanish),
            _ => None,
        }
    }

    /// The account's choice, or the browser's first language that is spoken here, or English.
    pub fn choose(account: &str, headers: &HeaderMap) -> Self {
        if let Some(chosen) = Self::parse(account) {
            return chosen;
        }
        let wanted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut ranked: Vec<(u16, Self)> = wanted
            .split(',')
            .filter_map(|part| {
                let (tag, weight) = part.split_once(";q=").unwrap_or((part, "1"));
                let language = Self::parse(&tag.trim().get(..2)?.to_ascii_lowercase())?;
                let weight = weight.trim().parse::<f32>().ok()?;
                Some(((weight.clamp(0.0, 1.0) * 1000.0) as u16, language))
            })
            .filter(|(weight, _)| *weight > 0)
            .collect();
        ranked.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        ranked.first().map(|(_, language)| *language).unwrap_or_default()
    }
}

type Bundle = FluentBundle<FluentResource>;

static CATALOGUES: LazyLock<[Bundle; 2]> =
    LazyLock::new(|| [load(Language::English, ENGLISH), load(Language::Spanish, SPANISH)]);

fn load(language: Language, text: &str) -> Bundle {
    let id = language.code().parse().expect("a language code");
    let mut bundle = Bundle::new_concurrent(vec![id]);
    bundle.set_use_isolating(false);
    bundle.set_formatter(Some(match language {
        Language::English => |value, _| write_number(value, Language::English),
        Language::Spanish => |value, _| write_number(value, Language::Spanish),
    }));
    let resource = match FluentResource::try_new(text.to_owned()) {
        Ok(resource) | Err((resource, _)) => resource,
    };
    // Both are checked by tests: a catalogue inside the binary can't be wrong at run time.
    let _ = bundle.add_resource(resource);
    bundle
}

fn write_number(value: &FluentValue<'_>, language: Language) -> Option<String> {
    match value {
        FluentValue::Number(number) => Some(Texts { language }.decimal(number.value, 2)),
        _ => None,
    }
}

/// A value for a named part of a sentence.
pub trait Part {
    /// As Fluent takes it.
    fn value(&self) -> FluentValue<'_>;
}

impl Part for str {
    fn value(&self) -> FluentValue<'_> {
        FluentValue::from(self)
    }
}

impl Part for String {
    fn value(&self) -> FluentValue<'_> {
        FluentValue::from(self.as_str())
    }
}

impl<T: Part + ?Sized> Part for &T {
    fn value(&self) -> FluentValue<'_> {
        (**self).value()
    }
}

macro_rules! number_parts {
    ($($number:ty),*) => { $(impl Part for $number {
        fn value(&self) -> FluentValue<'_> {
            #[allow(trivial_numeric_casts, clippy::cast_lossless, clippy::unnecessary_cast, reason = "the same for all numbers")]
            FluentValue::from(*self as f64)
        }
    })* };
}
number_parts!(f64, i32, i64, u16, u32, u64, usize);

/// The texts and formats of one language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// Which.
    pub language: Language,
}

impl Texts {
    fn format(self, key: &str, parts: Option<&FluentArgs<'_>>) -> String {
        let bundle = &CATALOGUES[self.language as usize];
        let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
            tracing::error!(key, "a text is missing");
            return key.to_owned();
        };
        let mut errors = Vec::new();
        let text = bundle.format_pattern(pattern, parts, &mut errors).into_owned();
        if !errors.is_empty() {
            tracing::error!(key, ?errors, "a text lacks a part");
        }
        text
    }

    /// A text without parts.
    pub fn get(self, key: &str) -> String {
        self.format(key, None)
    }

    /// A text with parts.
    pub fn with(self, key: &str, parts: &[(&str, &dyn Part)]) -> String {
        let parts = parts.iter().map(|(name, part)| (*name, part.value())).collect();
        self.format(key, Some(&parts))
    }

    /// A text with one part.
    pub fn one(self, key: &str, name: &str, part: impl Part) -> String {
        self.with(key, &[(name, &part)])
    }

    /// A text with two parts.
    pub fn two(self, key: &str, a: &str, one: impl Part, b: &str, two: impl Part) -> String {
        self.with(key, &[(a, &one), (b, &two)])
    }

    /// `1,204` and `1204`; `48,211` and `48 211` with a thin space.
    pub fn number(self, number: i64) -> String {
        let digits = number.unsigned_abs().to_string();
        let separator = match self.language {
            Language::English => ',',
            Language::Spanish => '\u{202f}',
        };
        let group = self.language == Language::English || digits.len() > 4;
        let mut text = if number < 0 { "-".to_owned() } else { String::new() };
        for (at, digit) in digits.chars().enumerate() {
            if group && at > 0 && (digits.len() - at).is_multiple_of(3) {
                text.push(separator);
            }
            text.push(digit);
        }
        text
    }

    /// With so many decimals, without trailing ones that say nothing.
    pub fn decimal(self, number: f64, decimals: usize) -> String {
        let text = format!("{number:.decimals$}");
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let whole = self.number(whole.parse().unwrap_or_default());
        let fraction = fraction.trim_end_matches('0');
        let mark = if self.language == Language::English { '.' } else { ',' };
        if fraction.is_empty() { whole } else { format!("{whole}{mark}{fraction}") }
    }

    fn scaled(self, bytes: u64, step: f64, units: [&str; 5]) -> String {
        let mut size = bytes as f64;
        let mut unit = 0;
        while size >= step * 0.9995 && unit + 1 < units.len() {
            size /= step;
            unit += 1;
        }
        let decimals = usize::from(unit > 0 && size < 99.95);
        format!("{}\u{202f}{}", self.decimal(size, decimals), units[unit])
    }

    /// Disk and images, as registries count: `83 MB`.
    pub fn size(self, bytes: u64) -> String {
        self.scaled(bytes, 1000.0, ["B", "kB", "MB", "GB", "TB"])
    }

    /// Memory, as the kernel counts: `412 MiB`.
    pub fn memory(self, bytes: u64) -> String {
        self.scaled(bytes, 1024.0, ["B", "KiB", "MiB", "GiB", "TiB"])
    }

    /// `97.4 %`.
    pub fn percent(self, percent: f64) -> String {
        format!("{}\u{202f}%", self.decimal(percent, 1))
    }

    fn month(self, month: i8) -> &'static str {
        const ENGLISH: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        const SPANISH: [&str; 12] =
            ["ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic"];
        let index = usize::try_from(month - 1).unwrap_or_default().min(11);
        match self.language {
            Language::English => ENGLISH[index],
            Language::Spanish => SPANISH[index],
        }
    }

    /// `24 Nov 2026`.
    pub fn day(self, at: Timestamp, zone: &TimeZone) -> String {
        let at = at.to_zoned(zone.clone());
        format!("{} {} {}", at.day(), self.month(at.month()), at.year())
    }

    /// `17:05:02`.
    #[expect(clippy::unused_self, reason = "the same in both languages today")]
    pub fn clock(self, at: Timestamp, zone: &TimeZone) -> String {
        at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string()
    }

    /// `24 Nov 2026, 17:05`.
    pub fn date(self, at: Timestamp, zone: &TimeZone) -> String {
        format!("{}, {}", self.day(at, zone), at.to_zoned(zone.clone()).strftime("%H:%M"))
    }

    /// `8 s`, `12 min`, `3 h`, `5 d`.
    pub fn duration(self, seconds: i64) -> String {
        let (count, unit) = match seconds.max(0) {
            s @ ..60 => (s, "s"),
            s @ ..3600 => (s / 60, "min"),
            s @ ..86_400 => (s / 3600, "h"),
            s => (s / 86_400, "d"),
        };
        format!("{}\u{202f}{unit}", self.number(count))
    }

    /// `3 h ago` up to seven days, then the date.
    pub fn ago(self, at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
        let seconds = now.as_second() - at.as_second();
        match seconds {
            ..5 => self.get("time-now"),
            5..604_800 => self.one("time-ago", "duration", self.duration(seconds)),
            _ => self.day(at, zone),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        fs,
        path::Path,
    };

    use fluent_bundle::FluentResource;

    use super::*;

    /// Every `$name` in a text.
    fn parts(text: &str) -> BTreeSet<String> {
        let name = |rest: &str| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        text.split('$').skip(1).map(name).collect()
    }

    /// Keys and their parts.
    fn catalogue(text: &str) -> BTreeMap<String, BTreeSet<String>> {
        let mut keys: BTreeMap<String, String> = BTreeMap::new();
        let mut current = None;
        for line in text.lines() {
            if line.starts_with('#') || line.is_empty() {
                continue;
            }
            if line.starts_with(' ') {
                let key: &String = current.as_ref().expect("a continued line belongs to a key");
                keys.entry(key.clone()).or_default().push_str(line);
            } else {
                let (key, value) = line.split_once(" =").expect("KEY = TEXT");
                assert!(keys.insert(key.into(), value.into()).is_none(), "{key} is there twice");
                current = Some(key.to_owned());
            }
        }
        keys.into_iter().map(|(key, value)| (key, parts(&value))).collect()
    }

    fn sources() -> String {
        fn read(folder: &Path, all: &mut String) {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    read(&path, all);
                } else if path.extension().is_some_and(|ext| ext == "rs" || ext == "html") {
                    all.push_str(&fs::read_to_string(&path).expect("a text"));
                }
            }
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut all = String::new();
        read(&root.join("src"), &mut all);
        read(&root.join("../web/templates"), &mut all);
        all
    }

    #[test]
    fn both_catalogues_are_sound_and_say_the_same() {
        for text in [ENGLISH, SPANISH] {
            assert!(
                FluentResource::try_new(text.to_owned()).is_ok(),
                "{:?}",
                FluentResource::try_new(text.to_owned()).err().map(|e| e.1)
            );
        }
        let (english, spanish) = (catalogue(ENGLISH), catalogue(SPANISH));
        let keys = |catalogue: &BTreeMap<String, BTreeSet<String>>| catalogue.keys().cloned().collect::<BTreeSet<_>>();
        let apart: Vec<_> = keys(&english).symmetric_difference(&keys(&spanish)).cloned().collect();
        assert!(apart.is_empty(), "only in one language: {apart:?}");
        for (key, parts) in &english {
            assert_eq!(parts, &spanish[key], "the parts of {key}");
        }
    }

    #[test]
    fn every_key_used_exists_and_every_key_is_used() {
        let (keys, sources) = (catalogue(ENGLISH), sources());
        for opening in ["t.get(\"", "t.one(\"", "t.two(\"", "t.with(\"", ".get(\"", "text(\""] {
            for rest in sources.split(opening).skip(1) {
                let key = rest.split('"').next().unwrap_or_default();
                let plain = key.contains('-') && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
                let whole = rest[key.len()..].starts_with("\")") || rest[key.len()..].starts_with("\",");
                if plain && whole && opening.starts_with("t.") {
                    assert!(keys.contains_key(key), "no text for {key}");
                }
            }
        }
        // Keys of a family whose last word is computed: state-running, audit-outcome-done, …
        let families =
            ["state-", "outcome-", "operation-kind-", "operation-state-", "step-", "weakness-", "error-", "check-"];
        for key in keys.keys() {
            let used = sources.contains(&format!("\"{key}\"")) || families.iter().any(|family| key.starts_with(family));
            assert!(used, "nothing uses {key}");
        }
    }

    #[test]
    fn numbers_sizes_and_dates_follow_the_language() {
        let [en, es] = [Texts { language: Language::English }, Texts { language: Language::Spanish }];
        assert_eq!((en.number(1204), es.number(1204)), ("1,204".into(), "1204".into()));
        assert_eq!((en.number(48_211), es.number(-48_211)), ("48,211".into(), "-48\u{202f}211".into()));
        assert_eq!((en.decimal(1204.5, 1), es.decimal(1204.5, 1)), ("1,204.5".into(), "1204,5".into()));
        assert_eq!((en.size(83_400_000), es.size(8_340_000)), ("83.4\u{202f}MB".into(), "8,3\u{202f}MB".into()));
        assert_eq!(
            (en.size(999), en.size(999_999), en.size(0)),
            ("999\u{202f}B".into(), "1\u{202f}MB".into(), "0\u{202f}B".into())
        );
        assert_eq!(en.memory(412 << 20), "412\u{202f}MiB");
        assert_eq!(es.percent(97.42), "97,4\u{202f}%");
        let at: Timestamp = "2026-11-24T17:05:02Z".parse().expect("a time");
        assert_eq!(en.date(at, &TimeZone::UTC), "24 Nov 2026, 17:05");
        assert_eq!(es.date(at, &TimeZone::UTC), "24 nov 2026, 17:05");
        let hours = |n: i64| Timestamp::from_second(at.as_second() + n * 3600).expect("a time");
        assert_eq!(en.ago(at, hours(3), &TimeZone::UTC), "3\u{202f}h ago");
        assert_eq!(es.ago(at, hours(3), &TimeZone::UTC), "hace 3\u{202f}h");
        assert_eq!(en.ago(at, hours(200), &TimeZone::UTC), "24 Nov 2026");
    }

    #[test]
    fn the_account_decides_then_the_browser() {
        let wants = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("accept-language", axum::http::HeaderValue::from_static(text));
            headers
        };
        assert_eq!(Language::choose("es", &wants("en")), Language::Spanish);
        assert_eq!(Language::choose("", &wants("de, es-MX;q=0.8, en;q=0.5")), Language::Spanish);
        assert_eq!(Language::choose("", &wants("en;q=0.5, es;q=0.4")), Language::English);
        assert_eq!(Language::choose("", &wants("es;q=0")), Language::English);
        assert_eq!(Language::choose("", &HeaderMap::new()), Language::English);
    }
}
