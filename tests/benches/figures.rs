//! Medians, and the table they are printed in.

use std::time::Duration;

/// The value that `part` of the sorted values (0.5: half) do not exceed.
pub fn quantile(values: &[Duration], part: f64) -> Duration {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}

/// What the machine had to do besides in the last minute; a busy one stretches every time.
pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("?").to_owned()
}

/// Where a dockerd is at hand the same is to be measured there: none of these machines has one.
pub fn no_dockerd() {
    println!("(no dockerd is at hand: not compared with it)");
}

pub fn title(text: &str) {
    println!(
        "\n{text} (load {})\n{:<54} {:>9} {:>10} {:>9} {:>6}",
        load(),
        "",
        "best ms",
        "median ms",
        "p95 ms",
        "ratio"
    );
}

/// A line of the table. The ratio is between medians; `floor` itself has 1.
pub fn line(name: &str, values: &[Duration], floor: &[Duration]) {
    let ratio = quantile(values, 0.5).as_secs_f64() / quantile(floor, 0.5).as_secs_f64();
    println!("{} {ratio:>6.2}", row(name, values));
}

/// A line without a floor.
pub fn absolute(name: &str, values: &[Duration]) {
    println!("{}", row(name, values));
}

fn row(name: &str, values: &[Duration]) -> String {
    let ms = |part| quantile(values, part).as_secs_f64() * 1e3;
    format!("{name:<54} {:>9.2} {:>10.2} {:>9.2}", ms(0.0), ms(0.5), ms(0.95))
}

/// This many, or the part of them that `DARSENA_BENCH_PART` asks for (10: a tenth), at least one.
pub fn some(many: usize) -> usize {
    let part = std::env::var("DARSENA_BENCH_PART").ok().and_then(|part| part.parse().ok()).unwrap_or(1);
    (many / part).max(1)
}

/// MiB a second, for values that each are the time of `bytes`: the best, the median, and the median's part of `floor`'s.
pub fn rate(name: &str, bytes: usize, values: &[Duration], floor: &[Duration]) {
    let mib = |part| (bytes >> 10) as f64 / 1024.0 / quantile(values, part).as_secs_f64();
    let ratio = quantile(floor, 0.5).as_secs_f64() / quantile(values, 0.5).as_secs_f64();
    println!("{name:<54} {:>9.0} {:>10.0} {ratio:>16.2}", mib(0.0), mib(0.5));
}

/// Head of a table of [`rate`]s.
pub fn rates(text: &str) {
    println!("\n{text} (load {})\n{:<54} {:>9} {:>10} {:>16}", load(), "", "best", "median", "of the floor");
}
