//! System call filters: Docker's default profile compiled to a small BPF program.
//!
//! [`compiled`] is pure: capabilities in, program out. Numbers are compressed to ranges of equal treatment and searched by
//! halves, which makes a program of a few hundred instructions of which about ten run per call; the kernel loads it in a
//! fraction of the time of a linear one. It must know nothing of containers.

pub mod custom;
mod numbers;
mod profile;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use self::{
    numbers::{LAST_KNOWN, NO, NUMBERS},
    profile::{Action, ENOSYS, EPERM, Test, action},
};

/// More sets of capabilities than this are not remembered.
const CACHED: usize = 64;

/// One BPF instruction (linux/filter.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Instruction {
    code: u16,
    yes: u8,
    no: u8,
    value: u32,
}

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const IF_EQUAL: u16 = 0x15;
const IF_GREATER: u16 = 0x25;
const IF_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;

const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;

/// Offsets in `struct seccomp_data`.
const AT_NUMBER: u32 = 0;
const AT_ARCHITECTURE: u32 = 4;
const AT_ARGUMENTS: u32 = 16;

/// An architecture whose calls can be made: its kernel name, profiles' name of it, and which column has its numbers.
#[derive(Clone, Copy)]
struct Abi {
    audit: u32,
    name: &'static str,
    go: &'static str,
    number: fn(&(&str, u16, u16, u16)) -> u16,
}

const X86_64: Abi = Abi { audit: 0xc000_003e, name: "SCMP_ARCH_X86_64", go: "amd64", number: |row| row.1 };
const I386: Abi = Abi { audit: 0x4000_0003, name: "SCMP_ARCH_X86", go: "x86", number: |row| row.2 };
const AARCH64: Abi = Abi { audit: 0xc000_00b7, name: "SCMP_ARCH_AARCH64", go: "arm64", number: |row| row.3 };

/// Those of this machine.
fn native() -> &'static [Abi] {
    if cfg!(target_arch = "aarch64") { &[AARCH64] } else { &[X86_64, I386] }
}

/// Docker's default profile for a process with these capabilities in its bounding set, as `sock_filter` in memory order.
pub fn compiled(capabilities: u64) -> Arc<[u8]> {
    static CACHE: OnceLock<Mutex<HashMap<u64, Arc<[u8]>>>> = OnceLock::new();
    let mut cache = CACHE.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = cache.get(&capabilities) {
        return known.clone();
    }
    if cache.len() >= CACHED {
        cache.clear();
    }
    let program: Arc<[u8]> = encode(&compile(native(), capabilities)).into();
    cache.insert(capabilities, program.clone());
    program
}

fn encode(program: &[Instruction]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(program.len() * 8);
    for instruction in program {
        bytes.extend(instruction.code.to_ne_bytes());
        bytes.extend([instruction.yes, instruction.no]);
        bytes.extend(instruction.value.to_ne_bytes());
    }
    bytes
}

fn plain(code: u16, value: u32) -> Instruction {
    Instruction { code, yes: 0, no: 0, value }
}

fn refuse(errno: u16) -> Instruction {
    plain(RETURN, ERRNO | u32::from(errno))
}

fn compile(abis: &[Abi], capabilities: u64) -> Vec<Instruction> {
    joined(abis, |abi| search(&ranges(abi, capabilities), &leaf))
}

/// One program of the code for each architecture, which begins with the number loaded.
fn joined(abis: &[Abi], code: impl Fn(Abi) -> Vec<Instruction>) -> Vec<Instruction> {
    let mut program = vec![plain(LOAD, AT_ARCHITECTURE)];
    for abi in abis {
        let mut section = vec![plain(LOAD, AT_NUMBER)];
        section.extend(code(*abi));
        // Another architecture: over the jump, which leads over the section.
        program.push(Instruction { code: IF_EQUAL, yes: 1, no: 0, value: abi.audit });
        program.push(plain(JUMP, section.len() as u32));
        program.extend(section);
    }
    program.push(refuse(EPERM));
    program
}

/// Where each range of equally treated numbers begins.
fn ranges(abi: Abi, capabilities: u64) -> Vec<(u32, Action)> {
    let mut actions = vec![Action::Errno(EPERM); LAST_KNOWN as usize + 1];
    for row in NUMBERS {
        let number = (abi.number)(row);
        if number != NO {
            actions[usize::from(number)] = action(row.0, capabilities);
        }
    }
    let mut ranges: Vec<(u32, Action)> = Vec::new();
    for (number, action) in actions.into_iter().enumerate() {
        if ranges.last().is_none_or(|(_, last)| *last != action) {
            ranges.push((number as u32, action));
        }
    }
    // Newer calls, and on x86_64 all of the x32 ABI, whose numbers begin at 2^30.
    ranges.push((LAST_KNOWN + 1, Action::Errno(ENOSYS)));
    ranges
}

/// Code that finds the range a number is in.
fn search<T>(ranges: &[(u32, T)], leaf: &impl Fn(&T) -> Vec<Instruction>) -> Vec<Instruction> {
    if let [(_, one)] = ranges {
        return leaf(one);
    }
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let (low, high) = (search(low, leaf), search(high, leaf));
    let start = ranges[ranges.len() / 2].0;
    let mut code = Vec::with_capacity(low.len() + high.len() + 2);
    if let Ok(skip) = u8::try_from(low.len()) {
        code.push(Instruction { code: IF_AT_LEAST, yes: skip, no: 0, value: start });
    } else {
        code.push(Instruction { code: IF_AT_LEAST, yes: 0, no: 1, value: start });
        code.push(plain(JUMP, low.len() as u32));
    }
    code.extend(low);
    code.extend(high);
    code
}

fn leaf(action: &Action) -> Vec<Instruction> {
    match *action {
        Action::Allow => vec![plain(RETURN, ALLOW)],
        Action::Errno(errno) => vec![refuse(errno)],
        Action::AllowIf { argument, any } => {
            let load = plain(LOAD, AT_ARGUMENTS + 8 * u32::from(argument));
            let mut code = Vec::new();
            for test in any {
                // Loaded anew each time: a mask changes it. Each goes on to the next unless it passes.
                code.push(load);
                code.extend(test_code(*test));
            }
            code.push(refuse(EPERM));
            code
        }
    }
}

/// Code that allows when the loaded argument passes and else goes on behind.
fn test_code(test: Test) -> Vec<Instruction> {
    let jump = |code, value, yes, no| Instruction { code, yes, no, value };
    let allow = plain(RETURN, ALLOW);
    match test {
        Test::Eq(value) => vec![jump(IF_EQUAL, value, 0, 1), allow],
        Test::Ne(value) => vec![jump(IF_EQUAL, value, 1, 0), allow],
        Test::Lt(value) => vec![jump(IF_AT_LEAST, value, 1, 0), allow],
        Test::Le(value) => vec![jump(IF_GREATER, value, 1, 0), allow],
        Test::Gt(value) => vec![jump(IF_GREATER, value, 0, 1), allow],
        Test::Ge(value) => vec![jump(IF_AT_LEAST, value, 0, 1), allow],
        Test::Within(low, high) => vec![jump(IF_AT_LEAST, low, 0, 2), jump(IF_GREATER, high, 1, 0), allow],
        Test::MaskedEq(mask, value) => vec![plain(AND, mask), jump(IF_EQUAL, value, 0, 1), allow],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a program as the kernel does; returns the verdict and how many instructions it took.
    pub(super) fn run(program: &[Instruction], audit: u32, number: u32, arguments: [u64; 6]) -> (u32, usize) {
        let load = |at: u32| match at {
            AT_NUMBER => number,
            AT_ARCHITECTURE => audit,
            at => {
                let argument = arguments[((at - AT_ARGUMENTS) / 8) as usize];
                if at % 8 == 0 { argument as u32 } else { (argument >> 32) as u32 }
            }
        };
        let (mut at, mut accumulator, mut steps) = (0_usize, 0_u32, 0);
        loop {
            let Instruction { code, yes, no, value } = program[at];
            (at, steps) = (at + 1, steps + 1);
            let decided = match code {
                LOAD => {
                    accumulator = load(value);
                    continue;
                }
                AND => {
                    accumulator &= value;
                    continue;
                }
                JUMP => {
                    at += value as usize;
                    continue;
                }
                RETURN => return (value, steps),
                IF_EQUAL => accumulator == value,
                IF_GREATER => accumulator > value,
                IF_AT_LEAST => accumulator >= value,
                other => panic!("unknown instruction {other:#x}"),
            };
            at += usize::from(if decided { yes } else { no });
        }
    }

    /// The table, read plainly.
    fn expected(abi: Abi, number: u32, arguments: [u64; 6], capabilities: u64) -> u32 {
        if number > LAST_KNOWN {
            return ERRNO | u32::from(ENOSYS);
        }
        let row = NUMBERS.iter().find(|row| u32::from((abi.number)(row)) == number);
        match row.map_or(Action::Errno(EPERM), |row| action(row.0, capabilities)) {
            Action::Allow => ALLOW,
            Action::Errno(errno) => ERRNO | u32::from(errno),
            Action::AllowIf { argument, any } => {
                let value = arguments[usize::from(argument)] as u32;
                if any.iter().any(|test| test.passes(value)) { ALLOW } else { ERRNO | u32::from(EPERM) }
            }
        }
    }

    #[test]
    fn the_program_decides_as_the_table_says() {
        let mut values: Vec<u64> = (0..64).collect();
        values.extend([0x2_0000, 0x2_0008, 0xffff_ffff, 0x1000_0000, 0x0002_0000, 0x7e02_0000, 0x8000, 0x0100_0011]);
        values.extend([0x1_0000_0026, 0x1_0000_0028, 0x1_0000_0002, u64::MAX]);
        for capabilities in [0, 0xa804_25fb, 1 << 21, 0x1ff_ffff_ffff] {
            let both = compile(&[X86_64, I386], capabilities);
            let one = compile(&[AARCH64], capabilities);
            let (mut steps, mut calls) = (0, 0);
            for (program, abi) in [(&both, X86_64), (&both, I386), (&one, AARCH64)] {
                for number in (0..700).chain([0x4000_0000, 0x4000_0001, 0x4000_003b, u32::MAX]) {
                    for value in &values {
                        let arguments = [*value; 6];
                        let (verdict, took) = run(program, abi.audit, number, arguments);
                        assert_eq!(verdict, expected(abi, number, arguments, capabilities), "{number} {value:#x}");
                        (steps, calls) = (steps + took, calls + 1);
                    }
                }
                assert_eq!(run(program, 0x4000_0028, 1, [0; 6]).0, ERRNO | 1);
            }
            assert!(steps / calls < 20, "{} steps on average", steps / calls);
            assert!(both.len() < 700, "{} instructions", both.len());
        }
    }

    #[test]
    fn each_test_is_compiled_to_what_it_means() {
        for test in [
            Test::Eq(5),
            Test::Ne(5),
            Test::Lt(5),
            Test::Le(5),
            Test::Gt(5),
            Test::Ge(5),
            Test::Within(3, 5),
            Test::MaskedEq(6, 4),
        ] {
            let mut program = vec![plain(LOAD, AT_ARGUMENTS)];
            program.extend(test_code(test));
            program.push(refuse(EPERM));
            for value in [0, 1, 2, 3, 4, 5, 6, 7, u32::MAX] {
                let allowed = run(&program, 0, 0, [value.into(); 6]).0 == ALLOW;
                assert_eq!(allowed, test.passes(value), "{test:?} {value}");
            }
        }
    }

    #[test]
    fn the_same_capabilities_share_a_program() {
        assert!(Arc::ptr_eq(&compiled(7), &compiled(7)));
        assert_eq!(compiled(7).len() % 8, 0);
    }
}
