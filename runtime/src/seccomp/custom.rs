//! A profile of one's own, in the JSON that Docker reads (github.com/moby/profiles, `seccomp.json`), compiled like the
//! default one.
//!
//! Arguments are compared in all their 64 bits, as libseccomp does. Of several rules for one call those with arguments come
//! first; the first that fits decides. Names that no kernel has are left out, as Docker does.

use serde::Deserialize;

use super::{
    AND, AT_ARGUMENTS, Abi, IF_AT_LEAST, IF_EQUAL, IF_GREATER, Instruction, JUMP, LOAD, RETURN, encode, joined, native,
    numbers::{LAST_KNOWN, NO, NUMBERS},
    plain,
    profile::{ENOSYS, EPERM},
    refuse, search,
};
use crate::spec::capability;

/// The kernel takes no longer program (`BPF_MAXINSNS`).
const LONGEST: usize = 4096;

/// A text that is no profile.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not the JSON of a profile.
    #[error("Decoding seccomp profile failed: {0}")]
    Json(#[from] serde_json::Error),
    /// A value that means nothing here.
    #[error("invalid seccomp profile: {0}")]
    Wrong(String),
}

/// What a profile's conditions look at.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// Capabilities of the container, as bits.
    pub capabilities: u64,
    /// The kernel's first two numbers.
    pub kernel: (u32, u32),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    default_action: String,
    default_errno_ret: Option<u16>,
    #[serde(default)]
    architectures: Option<Vec<String>>,
    #[serde(default)]
    arch_map: Option<Vec<Architecture>>,
    #[serde(default)]
    syscalls: Option<Vec<Rule>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Architecture {
    architecture: String,
    #[serde(default)]
    sub_architectures: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(default)]
    name: String,
    #[serde(default)]
    names: Option<Vec<String>>,
    action: String,
    errno_ret: Option<u16>,
    #[serde(default)]
    args: Option<Vec<Argument>>,
    #[serde(default)]
    includes: Option<Condition>,
    #[serde(default)]
    excludes: Option<Condition>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Condition {
    arches: Option<Vec<String>>,
    caps: Option<Vec<String>>,
    min_kernel: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Argument {
    index: u32,
    value: u64,
    #[serde(default)]
    value_two: u64,
    op: String,
}

/// Compiles a profile, as `sock_filter` in memory order.
///
/// # Errors
/// [`Error`]: no profile, or one that is too long for the kernel.
pub fn compile(profile: &str, circumstances: Circumstances) -> Result<Vec<u8>, Error> {
    let program = program(&serde_json::from_str(profile)?, native(), circumstances)?;
    if program.len() > LONGEST {
        return Err(Error::Wrong(format!("{} instructions are more than the kernel's {LONGEST}", program.len())));
    }
    Ok(encode(&program))
}

fn program(profile: &Profile, abis: &[Abi], circumstances: Circumstances) -> Result<Vec<Instruction>, Error> {
    let otherwise = verdict(&profile.default_action, profile.default_errno_ret)?;
    let listed = profile.listed();
    let known: Vec<Abi> =
        abis.iter().copied().filter(|abi| listed.as_ref().is_none_or(|all| all.contains(&abi.name))).collect();
    let mut codes = Vec::new();
    for abi in &known {
        codes.push(section(profile, *abi, circumstances, otherwise)?);
    }
    Ok(joined(&known, |abi| {
        let at = known.iter().position(|one| one.audit == abi.audit);
        at.map(|at| codes[at].clone()).unwrap_or_default()
    }))
}

impl Profile {
    /// Names of the architectures; `None` is all.
    fn listed(&self) -> Option<Vec<&str>> {
        let mut all: Vec<&str> = self.architectures.iter().flatten().map(String::as_str).collect();
        for one in self.arch_map.iter().flatten() {
            all.push(&one.architecture);
            all.extend(one.sub_architectures.iter().flatten().map(String::as_str));
        }
        (!all.is_empty()).then_some(all)
    }
}

/// Code for one architecture.
fn section(
    profile: &Profile,
    abi: Abi,
    circumstances: Circumstances,
    otherwise: u32,
) -> Result<Vec<Instruction>, Error> {
    let mut rules: Vec<Vec<(&Rule, u32)>> = vec![Vec::new(); LAST_KNOWN as usize + 1];
    for rule in profile.syscalls.iter().flatten() {
        let verdict = verdict(&rule.action, rule.errno_ret)?;
        for argument in rule.args.iter().flatten() {
            argument.check()?;
        }
        if !rule.applies(circumstances)? {
            continue;
        }
        for name in rule.names.iter().flatten().chain((!rule.name.is_empty()).then_some(&rule.name)) {
            let row = NUMBERS.binary_search_by_key(&name.as_str(), |row| row.0);
            let number = row.map_or(NO, |at| (abi.number)(&NUMBERS[at]));
            if number != NO {
                rules[usize::from(number)].push((rule, verdict));
            }
        }
    }
    let mut ranges: Vec<(u32, Vec<Instruction>)> = Vec::new();
    for (number, mut rules) in rules.into_iter().enumerate() {
        rules.sort_by_key(|(rule, _)| rule.args.as_ref().is_none_or(Vec::is_empty));
        let mut code = Vec::new();
        let mut is_decided = false;
        for (rule, verdict) in rules {
            code.extend(rule.code(verdict));
            is_decided = rule.args.as_ref().is_none_or(Vec::is_empty);
            if is_decided {
                break;
            }
        }
        if !is_decided {
            code.push(plain(RETURN, otherwise));
        }
        if ranges.last().is_none_or(|(_, last)| *last != code) {
            ranges.push((number as u32, code));
        }
    }
    // What was not known when the profile was written: a program that is told so falls back.
    let refuses = otherwise & 0x7fff_0000 == 0x0005_0000;
    ranges.push((LAST_KNOWN + 1, vec![if refuses { refuse(ENOSYS) } else { plain(RETURN, otherwise) }]));
    Ok(search(&ranges, &Vec::clone))
}

fn verdict(action: &str, errno: Option<u16>) -> Result<u32, Error> {
    let data = u32::from(errno.unwrap_or(EPERM));
    Ok(match action {
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => 0,
        "SCMP_ACT_KILL_PROCESS" => 0x8000_0000,
        "SCMP_ACT_TRAP" => 0x0003_0000,
        "SCMP_ACT_ERRNO" => 0x0005_0000 | data,
        "SCMP_ACT_TRACE" => 0x7ff0_0000 | data,
        "SCMP_ACT_LOG" => 0x7ffc_0000,
        "SCMP_ACT_ALLOW" => 0x7fff_0000,
        "SCMP_ACT_NOTIFY" => return Err(Error::Wrong("SCMP_ACT_NOTIFY is not supported".to_owned())),
        other => return Err(Error::Wrong(format!("there is no action {other:?}"))),
    })
}

impl Rule {
    fn applies(&self, circumstances: Circumstances) -> Result<bool, Error> {
        let default = Condition::default();
        let (includes, excludes) =
            (self.includes.as_ref().unwrap_or(&default), self.excludes.as_ref().unwrap_or(&default));
        let has = |name: &String| capability(name).is_some_and(|bit| circumstances.capabilities & bit == bit);
        let is_here = |arch: &String| native().iter().any(|abi| abi.go == arch);
        let fits = |list: &Option<Vec<String>>, test: &dyn Fn(&String) -> bool| {
            list.as_ref().is_none_or(|list| list.is_empty() || list.iter().any(test))
        };
        let hits = |list: &Option<Vec<String>>, test: &dyn Fn(&String) -> bool| {
            list.as_ref().is_some_and(|list| list.iter().any(test))
        };
        let all = includes.caps.iter().flatten().all(has);
        let new_enough = |version: &Option<String>| {
            let version = version.as_ref().filter(|text| !text.is_empty());
            version.map(|text| kernel(text).map(|needed| circumstances.kernel >= needed))
        };
        let included =
            fits(&includes.arches, &is_here) && all && new_enough(&includes.min_kernel).unwrap_or(Ok(true))?;
        let excluded = hits(&excludes.arches, &is_here)
            || hits(&excludes.caps, &has)
            || new_enough(&excludes.min_kernel).unwrap_or(Ok(false))?;
        Ok(included && !excluded)
    }

    /// Decides when all arguments fit, and else goes on behind.
    fn code(&self, verdict: u32) -> Vec<Instruction> {
        let mut code = vec![plain(RETURN, verdict)];
        for argument in self.args.iter().flatten().rev() {
            let mut all = argument.code(code.len());
            all.append(&mut code);
            code = all;
        }
        code
    }
}

/// `4.8` or more of it.
fn kernel(text: &str) -> Result<(u32, u32), Error> {
    let mut parts = text.split('.').map(str::parse);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        _ => Err(Error::Wrong(format!("{text:?} is no kernel version"))),
    }
}

impl Argument {
    fn check(&self) -> Result<(), Error> {
        if self.index > 5 {
            return Err(Error::Wrong(format!("there is no argument {}", self.index)));
        }
        let known = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"];
        if self.op.strip_prefix("SCMP_CMP_").is_some_and(|op| known.contains(&op)) {
            return Ok(());
        }
        Err(Error::Wrong(format!("there is no comparison {:?}", self.op)))
    }

    /// Goes on behind itself when the argument fits, else over `rest` instructions more. Each half is loaded and compared;
    /// the lower one decides only when the upper one does not.
    fn code(&self, rest: usize) -> Vec<Instruction> {
        let at = AT_ARGUMENTS + 8 * self.index;
        let (mut low, mut high) = (vec![plain(LOAD, at)], vec![plain(LOAD, at + 4)]);
        let mut wanted = self.value;
        if self.op == "SCMP_CMP_MASKED_EQ" {
            wanted = self.value_two;
            low.push(plain(AND, self.value as u32));
            high.push(plain(AND, (self.value >> 32) as u32));
        }
        let (low_value, high_value) = (wanted as u32, (wanted >> 32) as u32);
        // For each: what a greater upper half means, what a smaller one, the test of the lower half, and whether it is to
        // pass that.
        let (greater, smaller, test, passes) = match self.op.as_str() {
            "SCMP_CMP_NE" => (true, true, IF_EQUAL, false),
            "SCMP_CMP_LT" => (false, true, IF_AT_LEAST, false),
            "SCMP_CMP_LE" => (false, true, IF_GREATER, false),
            "SCMP_CMP_GE" => (true, false, IF_AT_LEAST, true),
            "SCMP_CMP_GT" => (true, false, IF_GREATER, true),
            _ => (false, false, IF_EQUAL, true),
        };
        // Behind the two tests of the upper half: the lower half, its test, and a jump for each way out.
        let fail = plain(JUMP, rest as u32);
        let mut tail = low;
        let (yes, no) = if passes { (1, 0) } else { (0, 1) };
        tail.push(Instruction { code: test, yes, no, value: low_value });
        tail.push(fail);
        let length = tail.len() as u8;
        let mut code = high;
        // To the end, or to the last instruction, which fails.
        let way = |fits: bool, behind: u8| if fits { behind } else { behind - 1 };
        code.push(Instruction { code: IF_GREATER, yes: way(greater, length + 1), no: 0, value: high_value });
        code.push(Instruction { code: IF_EQUAL, yes: 0, no: way(smaller, length), value: high_value });
        code.extend(tail);
        code
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::{AARCH64, I386, X86_64, tests::run},
        *,
    };

    type Check = fn(u64, u64, u64) -> bool;

    const HERE: Circumstances = Circumstances { capabilities: 0, kernel: (6, 1) };
    const ALLOWED: u32 = 0x7fff_0000;

    fn made(profile: serde_json::Value) -> Vec<Instruction> {
        program(&serde_json::from_value(profile).unwrap(), &[X86_64, I386], HERE).unwrap()
    }

    #[test]
    fn every_comparison_looks_at_all_64_bits() {
        let interesting =
            [0, 1, 5, 6, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0005, 0x1_0000_0006, 0x2_0000_0005, u64::MAX];
        let operators: [(&str, Check); 7] = [
            ("NE", |a, b, _| a != b),
            ("LT", |a, b, _| a < b),
            ("LE", |a, b, _| a <= b),
            ("EQ", |a, b, _| a == b),
            ("GE", |a, b, _| a >= b),
            ("GT", |a, b, _| a > b),
            ("MASKED_EQ", |a, mask, value| a & mask == value),
        ];
        for (op, check) in operators {
            for value in interesting {
                let two = value & 0x1_0000_0004;
                let profile = made(json!({
                    "defaultAction": "SCMP_ACT_ERRNO",
                    "syscalls": [{ "names": ["read"], "action": "SCMP_ACT_ALLOW",
                        "args": [{ "index": 2, "value": value, "valueTwo": two, "op": format!("SCMP_CMP_{op}") }] }],
                }));
                for argument in interesting {
                    let (verdict, _) = run(&profile, X86_64.audit, 0, [9, 9, argument, 9, 9, 9]);
                    assert_eq!(verdict == ALLOWED, check(argument, value, two), "{argument:#x} {op} {value:#x}");
                }
            }
        }
    }

    #[test]
    fn all_arguments_must_fit_and_any_rule_may() {
        let argument = |index: u32, value: u64| json!({ "index": index, "value": value, "op": "SCMP_CMP_EQ" });
        let profile = made(json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [
                { "names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5, "args": [argument(0, 1), argument(1, 2)] },
                { "name": "read", "action": "SCMP_ACT_KILL_PROCESS", "args": [argument(0, 3)] },
                { "names": ["write", "no_such_call"], "action": "SCMP_ACT_LOG" },
            ],
        }));
        let ask = |number, first, second| run(&profile, X86_64.audit, number, [first, second, 0, 0, 0, 0]).0;
        assert_eq!((ask(0, 1, 2), ask(0, 1, 3), ask(0, 3, 2)), (0x0005_0005, ALLOWED, 0x8000_0000));
        assert_eq!((ask(1, 0, 0), ask(2, 0, 0), ask(9999, 0, 0)), (0x7ffc_0000, ALLOWED, ALLOWED));
        assert_eq!(run(&profile, I386.audit, 4, [0; 6]).0, 0x7ffc_0000, "write of i386");
        assert_eq!(run(&profile, AARCH64.audit, 64, [0; 6]).0, 0x0005_0001, "a foreign architecture");
    }

    #[test]
    fn rules_apply_by_capability_kernel_and_architecture() {
        let rule = |names: &str, more: serde_json::Value| {
            let mut rule = json!({ "names": [names], "action": "SCMP_ACT_ALLOW" });
            rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            rule
        };
        let profile = json!({
            "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
            "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [
                rule("mount", json!({ "includes": { "caps": ["CAP_SYS_ADMIN"] } })),
                rule("clone", json!({ "excludes": { "caps": ["CAP_SYS_ADMIN"] } })),
                rule("ptrace", json!({ "includes": { "minKernel": "4.8" } })),
                rule("bpf", json!({ "includes": { "minKernel": "99.1" } })),
                rule("read", json!({ "includes": { "arches": ["s390x"] } })),
            ],
        });
        let compiled = |capabilities| {
            let circumstances = Circumstances { capabilities, ..HERE };
            program(&serde_json::from_value(profile.clone()).unwrap(), &[X86_64, I386], circumstances).unwrap()
        };
        let allowed = |capabilities, number| run(&compiled(capabilities), X86_64.audit, number, [0; 6]).0 == ALLOWED;
        assert!(!allowed(0, 165) && allowed(1 << 21, 165), "mount");
        assert!(allowed(0, 56) && !allowed(1 << 21, 56), "clone");
        assert!(allowed(0, 101) && !allowed(0, 321) && !allowed(0, 0));
        assert_eq!(run(&compiled(0), X86_64.audit, 0, [0; 6]).0, 0x0005_0026);
        assert_eq!(run(&compiled(0), I386.audit, 26, [0; 6]).0, 0x0005_0001, "an architecture that isn't listed");
    }

    #[test]
    fn what_is_no_profile_is_refused_in_words() {
        let refused = |text: &str| compile(text, HERE).unwrap_err().to_string();
        assert!(refused("{").starts_with("Decoding seccomp profile failed"));
        assert!(refused(r#"{"defaultAction":"SCMP_ACT_DANCE"}"#).contains("SCMP_ACT_DANCE"));
        let op = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ERRNO",
            "args":[{"index":0,"value":1,"op":"SCMP_CMP_ROUGHLY"}]}]}"#;
        assert!(refused(op).contains("SCMP_CMP_ROUGHLY"));
        assert!(compile(r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":null}"#, HERE).is_ok());
    }
}
