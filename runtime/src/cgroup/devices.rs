//! Which device nodes a container may use: Docker's default list, as v1 rules and as a v2 program.

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

const TYPE: u8 = 3;
const ACCESS: u8 = 2;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
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
pub fn program() -> Vec<u64> {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the few instructions used here.
    fn decide(kind: u32, access: u32, major: u32, minor: u32) -> u64 {
        let context = [access << 16 | kind, major, minor];
        let (code, mut registers, mut at) = (program(), [0_u64; 10], 0_usize);
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
    fn the_kernel_takes_the_program() {
        match crate::sys::bpf::load_device_program(&program()) {
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => println!("not allowed to load programs here"),
            loaded => drop(loaded.unwrap()),
        }
    }
}
