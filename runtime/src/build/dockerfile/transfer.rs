//! ADD and COPY, which share most of their arguments.

use super::{
    flags::{Flags, Kind},
    instruction::{Add, Copy, Heredoc, Instruction, Source},
    mount::no_variables,
    words,
};

const ADD_FLAGS: [(&str, Kind); 7] = [
    ("chown", Kind::One),
    ("chmod", Kind::One),
    ("link", Kind::Bool),
    ("keep-git-dir", Kind::Bool),
    ("checksum", Kind::One),
    ("unpack", Kind::Bool),
    ("exclude", Kind::Many),
];
const COPY_FLAGS: [(&str, Kind); 6] = [
    ("from", Kind::One),
    ("chown", Kind::One),
    ("chmod", Kind::One),
    ("link", Kind::Bool),
    ("parents", Kind::Bool),
    ("exclude", Kind::Many),
];

pub(super) fn add(flags: &[String], arguments: &str, heredocs: &[Heredoc]) -> Result<Instruction, String> {
    let (sources, destination) = operands("ADD", arguments, heredocs)?;
    let mut flags = Flags::parse(flags, &ADD_FLAGS)?;
    Ok(Instruction::Add(Add {
        chown: flags.one("chown"),
        chmod: flags.one("chmod"),
        link: flags.switch("link").unwrap_or(false),
        keep_git_dir: flags.switch("keep-git-dir").unwrap_or(false),
        checksum: flags.one("checksum"),
        unpack: flags.switch("unpack"),
        excludes: flags.many("exclude"),
        sources,
        destination,
    }))
}

pub(super) fn copy(flags: &[String], arguments: &str, heredocs: &[Heredoc]) -> Result<Instruction, String> {
    let (sources, destination) = operands("COPY", arguments, heredocs)?;
    let mut flags = Flags::parse(flags, &COPY_FLAGS)?;
    let from = flags.one("from");
    from.as_deref().map_or(Ok(()), no_variables)?;
    Ok(Instruction::Copy(Copy {
        from,
        chown: flags.one("chown"),
        chmod: flags.one("chmod"),
        link: flags.switch("link").unwrap_or(false),
        parents: flags.switch("parents").unwrap_or(false),
        excludes: flags.many("exclude"),
        sources,
        destination,
    }))
}

/// Sources and destination; the heredocs take the places of the words that name them.
fn operands(keyword: &str, arguments: &str, heredocs: &[Heredoc]) -> Result<(Vec<Source>, String), String> {
    let json = words::json(arguments)?;
    let may_inline = json.is_none();
    let mut operands = json.unwrap_or_else(|| words::plain_words(arguments).into_iter().map(str::to_owned).collect());
    let destination = operands.pop().unwrap_or_default();
    if operands.is_empty() {
        return Err(format!(
            "{keyword} requires at least two arguments, but only one was provided. Destination could not be determined"
        ));
    }
    if may_inline && words::heredoc(&destination).is_some() {
        return Err(format!("{keyword} cannot accept a heredoc as a destination"));
    }
    let mut contents = heredocs.iter();
    let mut sources = Vec::new();
    for operand in operands {
        sources.push(match words::heredoc(&operand).filter(|_| may_inline) {
            None => Source::Path(operand),
            Some(named) => match contents.next() {
                Some(heredoc) if heredoc.name == named.name => Source::Inline(heredoc.clone()),
                _ => return Err(format!("{keyword} has no content for the heredoc {operand}")),
            },
        });
    }
    match contents.next() {
        None => Ok((sources, destination)),
        Some(heredoc) => Err(format!("{keyword} cannot accept a heredoc named {}", words::quoted(&heredoc.name))),
    }
}
