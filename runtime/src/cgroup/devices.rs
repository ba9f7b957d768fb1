//! Which device nodes a container may use: Docker's default list and what was asked for beyond it, as v1 rules and as a v2
//! program.

use crate::request::{DeviceKind, DeviceRule};

/// Character devices by number; `None` is every minor.
const ALLOWED: &[(u32, Option<u32>)] = &[
    (1, Some(3)), // null
    (1, Some(5)), // zero
    (1, Some(7)), // full
    (1, Some(8)), // random
    (1, Some(9)), // urandom
    (5, Some(0)), // tty
    (5, Some(1)), // console
    (5, Some(2)), // ptmx
    (136, None),  // terminals
];

/// Rules for `devices.allow`, after everything was denied. Making nodes is allowed, using them is not.
pub fn allowed() -> Vec<String> {
    let mut rules = vec!["c *:* m".to_owned(), "b *:* m".to_owned()];
    rules.extend(ALLOWED.iter().map(|(major, minor)| match minor {
        Some(minor) => format!("c {major}:{minor} rwm"),
        None => format!("c {major}:* rwm"),
    }));
    rules
}

/// One rule as `devices.allow` reads it. That file knows no `a` with numbers.
pub fn lines(rule: &DeviceRule) -> Vec<String> {
    if *rule == DeviceRule::ALL {
        return vec!["a".to_owned()];
    }
    match rule.kind {
        DeviceKind::Any => {
            [DeviceKind::Block, DeviceKind::Character].map(|kind| DeviceRule { kind, ..*rule }.to_string()).into()
        }
        _ => vec![rule.to_string()],
    }
}

const TYPE: u8 = 3;
const ACCESS: u8 = 2;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
const LEFT: u8 = 6;
const BLOCK: u32 = 1;
const CHARACTER: u32 = 2;
const MKNOD_ONLY: u32 = 1;

fn instruction(code: u8, to: u8, from: u8, offset: i16, value: u32) -> u64 {
    u64::from(code)
        | u64::from(to) << 8
        | u64::from(from) << 12
        | u64::from(offset as u16) << 16
        | u64::from(value) << 32
}

fn load(to: u8, offset: i16) -> u64 {
    instruction(0x61, to, 1, offset, 0)
}

/// Jumps over `skip` instructions when the register is not this value.
fn unless(register: u8, value: u32, skip: i16) -> u64 {
    instruction(0x55, register, 0, skip, value)
}

fn answer(allow: bool) -> [u64; 2] {
    [instruction(0xb7, 0, 0, 0, allow.into()), instruction(0x95, 0, 0, 0, 0)]
}

/// The same rules as a program: register 1 holds type, access, major and minor of what is asked (see
/// `struct bpf_cgroup_dev_ctx`); it answers 1 or 0.
pub fn program(more: &[DeviceRule]) -> Vec<u64> {
    let mut code = vec![
        load(ACCESS, 0),
        instruction(0xbf, TYPE, ACCESS, 0, 0),
        instruction(0x57, TYPE, 0, 0, 0xffff),
        instruction(0x77, ACCESS, 0, 0, 16),
        load(MAJOR, 4),
        load(MINOR, 8),
        unless(ACCESS, MKNOD_ONLY, 2),
    ];
    code.extend(answer(true));
    for rule in more {
        code.extend(allowing(rule));
    }
    let length: i16 = ALLOWED.iter().map(|(_, minor)| 3 + i16::from(minor.is_some())).sum();
    code.push(unless(TYPE, CHARACTER, length));
    for (major, minor) in ALLOWED {
        code.push(unless(MAJOR, *major, 2 + i16::from(minor.is_some())));
        code.extend(minor.map(|minor| unless(MINOR, minor, 2)));
        code.extend(answer(true));
    }
    code.extend(answer(false));
    code
}

/// Answers 1 when the rule fits, and else goes on behind.
fn allowing(rule: &DeviceRule) -> Vec<u64> {
    let bits = [(rule.access.mknod, 1), (rule.access.read, 2), (rule.access.write, 4)];
    let given: u32 = bits.iter().filter(|(is_given, _)| *is_given).map(|(_, bit)| bit).sum();
    let kind = match rule.kind {
        DeviceKind::Any => None,
        DeviceKind::Block => Some(BLOCK),
        DeviceKind::Character => Some(CHARACTER),
    };
    let tests: Vec<(u8, u32)> = [(TYPE, kind), (MAJOR, rule.major), (MINOR, rule.minor)]
        .into_iter()
        .filter_map(|(register, value)| Some((register, value?)))
        .collect();
    // What is asked beyond what is given must be nothing; the four are a copy, the mask, its test and the answer's two.
    let mut code = Vec::new();
    for (at, (register, value)) in tests.iter().enumerate() {
        code.push(unless(*register, *value, (tests.len() - at - 1) as i16 + 5));
    }
    code.push(instruction(0xbf, LEFT, ACCESS, 0, 0));
    code.push(instruction(0x57, LEFT, 0, 0, !given & 7));
    code.push(unless(LEFT, 0, 2));
    code.extend(answer(true));
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the few instructions used here.
    fn decide(kind: u32, access: u32, major: u32, minor: u32) -> u64 {
        decide_with(&[], kind, access, major, minor)
    }

    fn decide_with(more: &[DeviceRule], kind: u32, access: u32, major: u32, minor: u32) -> u64 {
        let context = [access << 16 | kind, major, minor];
        let (code, mut registers, mut at) = (program(more), [0_u64; 10], 0_usize);
        loop {
            let raw = code[at];
            let (to, from) = ((raw >> 8 & 15) as usize, (raw >> 12 & 15) as usize);
            let (offset, value) = ((raw >> 16 & 0xffff) as usize, raw >> 32);
            at += 1;
            match raw & 0xff {
                0x61 => registers[to] = u64::from(context[offset / 4]),
                0xbf => registers[to] = registers[from],
                0x57 => registers[to] &= value,
                0x77 => registers[to] >>= value,
                0xb7 => registers[to] = value,
                0x55 if registers[to] != value => at += offset,
                0x55 => {}
                0x95 => return registers[0],
                other => panic!("unknown instruction {other:#x}"),
            }
        }
    }

    #[test]
    fn the_program_decides_as_the_rules_say() {
        let (read_write, mknod) = (6, 1);
        for (major, minor) in [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2), (136, 0), (136, 77)] {
            assert_eq!(decide(2, read_write, major, minor), 1, "{major}:{minor}");
            assert_eq!(decide(1, read_write, major, minor), 0, "block {major}:{minor}");
        }
        for (major, minor) in [(1, 1), (1, 2), (1, 4), (1, 11), (8, 0), (10, 200), (10, 229), (137, 0)] {
            assert_eq!(decide(2, read_write, major, minor), 0, "{major}:{minor}");
            assert_eq!(decide(1, mknod, major, minor), 1, "{major}:{minor}");
        }
        assert_eq!(decide(2, 7, 8, 0), 0);
    }

    #[test]
    fn more_rules_allow_what_they_say_and_no_more() {
        let rules: Vec<DeviceRule> =
            ["b 8:* r", "c 10:229 rwm", "a 7:1 w"].iter().map(|rule| rule.parse().unwrap()).collect();
        for (kind, access, major, minor, allowed) in [
            (1, 2, 8, 0, 1),
            (1, 2, 8, 77, 1),
            (1, 6, 8, 0, 0),
            (2, 2, 8, 0, 0),
            (2, 7, 10, 229, 1),
            (2, 6, 10, 230, 0),
            (1, 4, 7, 1, 1),
            (2, 4, 7, 1, 1),
            (2, 2, 7, 1, 0),
            (2, 6, 1, 3, 1),
            (2, 6, 1, 1, 0),
        ] {
            assert_eq!(decide_with(&rules, kind, access, major, minor), allowed, "{kind} {access} {major}:{minor}");
        }
        assert_eq!(decide_with(&[DeviceRule::ALL], 1, 7, 8, 0), 1);
        assert_eq!(lines(&rules[2]), ["b 7:1 w", "c 7:1 w"]);
        assert_eq!(lines(&DeviceRule::ALL), ["a"]);
    }

    #[test]
    fn the_kernel_takes_the_program() {
        let rules = ["b 8:* r".parse().unwrap(), DeviceRule::ALL];
        match crate::sys::bpf::load_device_program(&program(&rules)) {
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => println!("not allowed to load programs here"),
            loaded => drop(loaded.unwrap()),
        }
    }
}
