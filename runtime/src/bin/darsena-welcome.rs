//! The program of the built-in image `darsena/welcome`: a small web server with one page.
//!
//! It is process 1 of its container, so it handles SIGTERM itself: the kernel drops signals that process 1 has no
//! handler for. It serves one request a connection and writes one line to standard output for each.
//! Limits: [`CONNECTIONS`] at once, [`HEAD_BYTES`] of request head, [`PATIENCE`] for the whole request.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use nix::sys::signal::{SigSet, Signal};

const PAGE: &str = include_str!("welcome.html");
const CONNECTIONS: usize = 64;
const HEAD_BYTES: usize = 8 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);

static OPEN: AtomicUsize = AtomicUsize::new(0);

fn main() -> ExitCode {
    // Blocked before the first thread is made, so that all of them inherit it and only the waiter below sees it.
    let mut ending = SigSet::empty();
    ending.add(Signal::SIGTERM);
    ending.add(Signal::SIGINT);
    if let Err(error) = ending.thread_block() {
        say(&format!("can't wait for signals: {error}"));
        return ExitCode::FAILURE;
    }
    thread::spawn(move || {
        if let Ok(signal) = ending.wait() {
            say(&format!("stopping on {signal}"));
            std::process::exit(0);
        }
    });

    let port = match std::env::var("PORT").map(|port| port.parse::<u16>()) {
        Ok(Ok(port)) => port,
        Err(_) => 8080,
        Ok(Err(_)) => {
            say("PORT must be a number from 1 to 65535");
            return ExitCode::FAILURE;
        }
    };
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let listener = match TcpListener::bind(address) {
        Ok(listener) => listener,
        Err(error) => {
            say(&format!("can't listen on {address}: {error}"));
            return ExitCode::FAILURE;
        }
    };
    say(&format!("listening on {address}"));
    loop {
        match listener.accept() {
            Ok((stream, _)) => admit(stream),
            // One connection that broke, or descriptors used up: those that are open will end.
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Gives the connection a thread, or turns it away when there are too many.
fn admit(stream: TcpStream) {
    if OPEN.fetch_add(1, Ordering::AcqRel) >= CONNECTIONS {
        OPEN.fetch_sub(1, Ordering::AcqRel);
        return;
    }
    let served = thread::Builder::new().stack_size(128 * 1024).spawn(move || {
        serve(stream);
        OPEN.fetch_sub(1, Ordering::AcqRel);
    });
    if served.is_err() {
        OPEN.fetch_sub(1, Ordering::AcqRel);
    }
}

fn serve(mut stream: TcpStream) {
    let answer = match read_head(&mut stream) {
        Ok(Some(head)) => answer(&head),
        Ok(None) => return,
        Err(status) => Answer::plain("-", "-", status),
    };
    // A client that went away is no news to anyone but itself.
    let _ = stream.set_write_timeout(Some(PATIENCE));
    let _ = stream.write_all(&answer.bytes());
    say(&format!("{} {} {}", answer.method, answer.target, answer.status));
}

/// The request up to its empty line; `None` when the client closed without asking.
fn read_head(stream: &mut TcpStream) -> Result<Option<String>, u16> {
    let deadline = Instant::now() + PATIENCE;
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return if head.is_empty() { Ok(None) } else { Err(408) };
        }
        match stream.read(&mut chunk) {
            Ok(0) if head.is_empty() => return Ok(None),
            Ok(0) => return Err(400),
            Ok(count) => head.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return Ok(None),
        }
        if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
            head.truncate(end);
            return String::from_utf8(head).map(Some).map_err(|_| 400);
        }
        if head.len() > HEAD_BYTES {
            return Err(if head.contains(&b'\n') { 431 } else { 414 });
        }
    }
}

/// What goes back to the client.
struct Answer {
    method: String,
    target: String,
    status: u16,
    kind: &'static str,
    language: Option<&'static str>,
    body: String,
}

impl Answer {
    fn plain(method: &str, target: &str, status: u16) -> Self {
        let (method, target) = (printable(method), printable(target));
        Self { method, target, status, kind: "text/plain", language: None, body: format!("{}\n", reason(status)) }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut text = format!(
            "HTTP/1.1 {} {}\r\nContent-Type: {}; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n",
            self.status,
            reason(self.status),
            self.kind,
            self.body.len()
        );
        if self.status == 405 {
            text.push_str("Allow: GET, HEAD\r\n");
        }
        if let Some(language) = self.language {
            text.push_str("Vary: Accept-Language\r\nContent-Language: ");
            text.push_str(language);
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        if self.method != "HEAD" {
            text.push_str(&self.body);
        }
        text.into_bytes()
    }
}

fn answer(head: &str) -> Answer {
    let mut lines = head.split("\r\n");
    let mut request = lines.next().unwrap_or_default().split(' ');
    let (method, target) = match (request.next(), request.next(), request.next(), request.next()) {
        (Some(method), Some(target), Some("HTTP/1.1" | "HTTP/1.0"), None) if target.starts_with('/') => {
            (method, target)
        }
        _ => return Answer::plain("-", "-", 400),
    };
    let path = target.split('?').next().unwrap_or_default();
    if !matches!(path, "/" | "/index.html" | "/healthz") {
        return Answer::plain(method, target, 404);
    }
    if !matches!(method, "GET" | "HEAD") {
        return Answer::plain(method, target, 405);
    }
    let mut answer = Answer::plain(method, target, 200);
    if path != "/healthz" {
        let accepted = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("accept-language"))
            .map_or("", |(_, value)| value);
        let words = if prefers_spanish(accepted) { &SPANISH } else { &ENGLISH };
        answer.kind = "text/html";
        answer.language = Some(words[0].1);
        answer.body = page(words, &hostname());
    }
    answer
}

type Words = [(&'static str, &'static str); 8];

const ENGLISH: Words = [
    ("lang", "en"),
    ("title", "Welcome to Darsena"),
    ("running", "Running"),
    ("heading", "Your container answers."),
    (
        "text",
        "This page comes from a container that Darsena runs on your machine. It is a small web server, and nothing else.",
    ),
    (
        "next",
        "Look at its log in Darsena: each time you reload this page, a line is added. Then stop it, start it again, or remove it.",
    ),
    ("container", "Container"),
    ("image", "Image"),
];

const SPANISH: Words = [
    ("lang", "es"),
    ("title", "Te damos la bienvenida a Darsena"),
    ("running", "En marcha"),
    ("heading", "Tu contenedor responde."),
    (
        "text",
        "Esta página viene de un contenedor que Darsena ejecuta en tu máquina. Es un pequeño servidor web y nada más.",
    ),
    (
        "next",
        "Mira su registro en Darsena: cada vez que recargas esta página se añade una línea. Después puedes detenerlo, iniciarlo de nuevo o eliminarlo.",
    ),
    ("container", "Contenedor"),
    ("image", "Imagen"),
];

fn page(words: &Words, hostname: &str) -> String {
    let filled = words.iter().fold(PAGE.to_owned(), |page, (name, word)| page.replace(&format!("{{{name}}}"), word));
    filled.replace("{hostname}", &escape(hostname))
}

fn hostname() -> String {
    nix::unistd::gethostname().map_or_else(|_| "?".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Whether Spanish comes before English in an `Accept-Language` value.
fn prefers_spanish(accepted: &str) -> bool {
    let weight = |wanted: &str| {
        accepted
            .split(',')
            .filter_map(|range| {
                let mut parts = range.split(';');
                let tag = parts.next()?.trim();
                let language = tag.split('-').next()?;
                let weight = parts
                    .find_map(|part| part.trim().strip_prefix("q="))
                    .map_or(Some(1.0), |weight| weight.parse::<f32>().ok())?;
                language.eq_ignore_ascii_case(wanted).then_some(weight)
            })
            .fold(0.0, f32::max)
    };
    let (spanish, english) = (weight("es"), weight("en"));
    spanish > english || (spanish > 0.0 && spanish >= english && first_is_spanish(accepted))
}

fn first_is_spanish(accepted: &str) -> bool {
    accepted
        .split(',')
        .map(|range| range.trim().to_ascii_lowercase())
        .find(|range| range.starts_with("es") || range.starts_with("en"))
        .is_some_and(|range| range.starts_with("es"))
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        414 => "URI Too Long",
        _ => "Request Header Fields Too Large",
    }
}

/// What a client sent, safe to show in a log: one line, no control characters, not endless.
fn printable(text: &str) -> String {
    text.chars().take(200).map(|char| if char.is_control() { '?' } else { char }).collect()
}

/// One line with its time. Written at once: nobody but the container's log reads it, and that is line by line.
fn say(text: &str) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    // A log that can't be written is no reason to stop serving.
    let _ = std::io::stdout().write_all(format!("{} {text}\n", timestamp(now)).as_bytes());
}

/// `2026-11-25T07:30:00Z` of seconds since 1970 (days to a date by the proleptic Gregorian calendar).
fn timestamp(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3_600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(timestamp(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(timestamp(1_795_589_400), "2026-11-25T06:50:00Z");
    }

    #[test]
    fn languages() {
        for spanish in ["es", "es-MX, en;q=0.8", "de, es;q=0.7, en;q=0.3", "ES", "es;q=0.5,en;q=0.5"] {
            assert!(prefers_spanish(spanish), "{spanish}");
        }
        for english in ["", "en", "en, es;q=0.9", "de", "fr;q=x", "es;q=0", "en;q=0.5,es;q=0.5"] {
            assert!(!prefers_spanish(english), "{english}");
        }
    }

    #[test]
    fn statuses() {
        let status = |line: &str| answer(line).status;
        assert_eq!(status("GET / HTTP/1.1\r\nHost: x"), 200);
        assert_eq!(status("HEAD /healthz?x=1 HTTP/1.0"), 200);
        assert_eq!(status("GET /favicon.ico HTTP/1.1"), 404);
        assert_eq!(status("POST / HTTP/1.1"), 405);
        for bad in ["", "GET /", "GET x HTTP/1.1", "GET / HTTP/2", "GET /  HTTP/1.1", "GET / a HTTP/1.1"] {
            assert_eq!(status(bad), 400, "{bad}");
        }
    }

    #[test]
    fn head_has_the_length_but_no_body() {
        let get = String::from_utf8(answer("GET / HTTP/1.1").bytes()).unwrap();
        let head = String::from_utf8(answer("HEAD / HTTP/1.1").bytes()).unwrap();
        assert_eq!(get.split("\r\n\r\n").next(), head.split("\r\n\r\n").next());
        assert!(head.ends_with("\r\n\r\n") && get.ends_with("</html>\n"));
    }

    #[test]
    fn the_page_is_whole_in_both_languages() {
        for words in [&ENGLISH, &SPANISH] {
            let page = page(words, "<web>");
            assert!(page.contains(&format!("<html lang=\"{}\">", words[0].1)) && page.contains("&lt;web&gt;"));
            for (name, _) in words {
                assert!(!page.contains(&format!("{{{name}}}")), "{name}");
            }
        }
    }

    #[test]
    fn logs_show_no_control_characters() {
        assert_eq!(answer("GET /\u{1b}[2J HTTP/1.1").target, "/?[2J");
    }
}
