//! Writer and readers together.

use std::{fs, io::Write as _, ops::ControlFlow, path::Path, sync::mpsc};

use jiff::Timestamp;

use super::{Output, Position, Stop, Writer, follow, follow_raw, frame, position};
use crate::{
    request::LogQuery,
    view::{LogEvent, Stream},
};

const ALL: LogQuery = LogQuery { follow: false, tail: None, since: None, until: None, stdout: true, stderr: true };

fn lines(dir: &Path, query: LogQuery) -> Vec<String> {
    let mut found = Vec::new();
    follow(dir, &query, &Stop::new().unwrap(), |event| {
        found.push(match event {
            LogEvent::Line(line) => String::from_utf8_lossy(&line.bytes).into_owned(),
            LogEvent::Skipped(count) => format!("skipped {count}"),
        });
        ControlFlow::Continue(())
    })
    .unwrap();
    found
}

fn raw(dir: &Path, from: Position) -> Vec<u8> {
    let mut found = Vec::new();
    follow_raw(dir, from, false, &Stop::new().unwrap(), |output| {
        if let Output::Bytes(_, bytes) = output {
            found.extend(bytes);
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    found
}

#[test]
fn lines_are_put_together_per_stream() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Writer::open(dir.path(), 1 << 20, 4, 1).unwrap();
    log.write(1, b"one\ntw", 10);
    log.write(2, b"err\n", 20);
    log.write(1, b"o\nthree", 30);
    log.end(40);
    assert_eq!(lines(dir.path(), ALL), ["one\n", "err\n", "two\n", "three"]);
    assert_eq!(lines(dir.path(), LogQuery { stdout: false, ..ALL }), ["err\n"]);
    assert_eq!(lines(dir.path(), LogQuery { tail: Some(2), ..ALL }), ["two\n", "three"]);
    assert_eq!(lines(dir.path(), LogQuery { tail: Some(0), ..ALL }), [""; 0]);
    assert_eq!(lines(dir.path(), LogQuery { tail: Some(1), stdout: false, ..ALL }), ["err\n"]);
    let at = |ns| Some(Timestamp::from_nanosecond(ns).unwrap());
    assert_eq!(lines(dir.path(), LogQuery { since: at(20), ..ALL }), ["err\n", "three"]);
    assert_eq!(lines(dir.path(), LogQuery { until: at(20), ..ALL }), ["one\n", "two\n"]);
    // A log that has ended is not waited for.
    assert_eq!(lines(dir.path(), LogQuery { follow: true, tail: Some(1), ..ALL }), ["three"]);
}

#[test]
fn a_tail_is_exact_across_segments_and_index_entries() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Writer::open(dir.path(), 200_000, 100, 1).unwrap();
    for number in 0..50_000_u64 {
        log.write(
            1 + (number % 2) as u8,
            format!("line {number} {}\n", "x".repeat(number as usize % 50)).as_bytes(),
            number + 2,
        );
    }
    log.end(60_000);
    assert!(frame::segments(dir.path()).unwrap().len() > 5);
    let all = lines(dir.path(), ALL);
    assert_eq!(all.len(), 50_000);
    for count in [1_usize, 2, 10, 999, 20_000, 49_999, 50_000, 60_000] {
        let tail = lines(dir.path(), LogQuery { tail: Some(count as u64), ..ALL });
        assert!(tail == all[all.len() - count.min(all.len())..], "{count}");
    }
    let since = Some(Timestamp::from_nanosecond(40_002).unwrap());
    assert!(lines(dir.path(), LogQuery { since, ..ALL }) == all[40_000..]);
}

#[test]
fn old_segments_go_and_a_slow_reader_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Writer::open(dir.path(), 4096, 3, 1).unwrap();
    let first = position(dir.path()).unwrap();
    for number in 0..1000 {
        log.write(1, format!("{number:0>99}\n").as_bytes(), 2);
    }
    log.end(3);
    let numbers = frame::segments(dir.path()).unwrap();
    assert_eq!(numbers.len(), 3);
    assert!(fs::read_dir(dir.path()).unwrap().count() <= 6);
    assert!(lines(dir.path(), ALL).last().unwrap().ends_with("999\n"));
    let mut skipped = 0;
    follow_raw(dir.path(), first, false, &Stop::new().unwrap(), |output| {
        if let Output::Skipped(count) = output {
            skipped += count;
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(skipped > 0);
}

#[test]
fn a_torn_end_is_ignored_and_then_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Writer::open(dir.path(), 1 << 20, 4, 1).unwrap();
    log.write(1, b"whole\n", 2);
    drop(log);
    let torn = frame::Header { length: 100, stream: 1, flags: 0, at_ns: 3 };
    let mut file = fs::OpenOptions::new().append(true).open(frame::segment(dir.path(), 1)).unwrap();
    file.write_all(&torn.encode()).unwrap();
    file.write_all(b"only a part").unwrap();
    assert_eq!(lines(dir.path(), ALL), ["whole\n"]);
    let mut log = Writer::open(dir.path(), 1 << 20, 4, 4).unwrap();
    log.write(1, b"next\n", 5);
    log.end(6);
    assert_eq!(lines(dir.path(), ALL), ["whole\n", "next\n"]);
    assert_eq!(raw(dir.path(), Position::default()), b"whole\nnext\n");
}

#[test]
fn a_follower_sees_all_of_a_run_and_ends_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Writer::open(dir.path(), 1 << 20, 4, 1).unwrap();
    log.write(1, b"of an earlier run\n", 2);
    log.end(3);
    let from = position(dir.path()).unwrap();
    let (sender, receiver) = mpsc::channel();
    let path = dir.path().to_owned();
    let reader = std::thread::spawn(move || {
        let mut got = Vec::new();
        let sink = |output| {
            if let Output::Bytes(stream, bytes) = output {
                got.extend_from_slice(&bytes);
                sender.send((stream, bytes.len())).unwrap();
            }
            ControlFlow::Continue(())
        };
        follow_raw(&path, from, true, &Stop::new().unwrap(), sink).unwrap();
        got
    });
    // Small segments: it must not matter that they come and go.
    let mut log = Writer::open(dir.path(), 4096, 100, 4).unwrap();
    let mut wanted = Vec::new();
    for number in 0..2000 {
        let line = format!("{number}\n");
        log.write(2, line.as_bytes(), 5);
        wanted.extend(line.into_bytes());
    }
    assert_eq!(receiver.recv().unwrap(), (Stream::Stderr, 2));
    log.end(6);
    assert!(reader.join().unwrap() == wanted);
}

#[test]
fn a_follower_that_waits_can_be_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Writer::open(dir.path(), 1 << 20, 4, 1).unwrap();
    log.write(1, b"so far\n", 2);
    let stop = Stop::new().unwrap();
    let (sender, receiver) = mpsc::channel();
    let (path, stopping) = (dir.path().to_owned(), stop.clone());
    let reader = std::thread::spawn(move || {
        follow(&path, &LogQuery { follow: true, ..ALL }, &stopping, |event| {
            sender.send(event).unwrap();
            ControlFlow::Continue(())
        })
    });
    assert!(matches!(receiver.recv().unwrap(), LogEvent::Line(line) if &line.bytes[..] == b"so far\n"));
    stop.stop();
    reader.join().unwrap().unwrap();
}
