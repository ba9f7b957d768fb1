//! What EXPOSE means.

use super::words::quoted;

const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];

/// The ports of one expanded word of EXPOSE, as the image config has them: `8000-8001/udp` gives `8000/udp`, `8001/udp`.
/// An address or a host port before the container port is ignored.
pub fn ports(word: &str) -> Result<Vec<String>, String> {
    let (ports, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
    let protocol = if protocol.is_empty() { "tcp".to_owned() } else { protocol.to_lowercase() };
    let ports = ports.rsplit(':').next().unwrap_or(ports);
    if ports.is_empty() {
        return Err(format!("no port specified: {word}<empty>"));
    }
    if !PROTOCOLS.contains(&protocol.as_str()) {
        return Err(format!("invalid proto: {protocol}"));
    }
    let invalid = || format!("invalid containerPort: {}", quoted(ports));
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| digits).ok_or_else(invalid)
    };
    let (first, last) = match ports.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(ports)?, number(ports)?),
    };
    if first > last {
        return Err(invalid());
    }
    Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}
