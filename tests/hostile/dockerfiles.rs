//! Dockerfiles and ignore files made to cost: refused with words, or done in little time and memory.

use std::fmt::Write as _;

use harness::{Darsena, Memory, Suite};

use crate::{IMAGE, doors::Tree, leaves_nothing};

/// What any of these may take.
const ROOM: u64 = 200 << 20;

pub fn tests(suite: Suite) -> Suite {
    suite
        .test("dockerfiles_that_are_none_are_refused_with_words", broken)
        .test("variables_that_swell_are_refused", variables)
        .test("many_stages_are_built_by_few_threads", stages)
        .test("patterns_of_ignore_files_cost_no_more_than_their_length", patterns)
}

fn refused(darsena: &Darsena, what: &str, file: &[u8], words: &str) {
    leaves_nothing(darsena, |docker| {
        // In an archive: the client would look into a Dockerfile of its own.
        let text = [&[][..], file].concat();
        let context = Tree::new().entry(tar::EntryType::Regular, "Dockerfile", "", &text).done();
        let error = docker.run_with(&["build", "-t", "hostile:1", "-"], &context).fails();
        assert!(error.contains(words), "{what}: {words:?} is not in {error:.2000}");
        assert!(error.len() < 8000, "{what}: {} bytes of words", error.len());
    });
}

fn broken(darsena: &mut Darsena) {
    let memory = Memory::watch(darsena.pid());
    let from = format!("FROM {IMAGE}\n");
    let with = |text: &str| format!("{from}{text}").into_bytes();
    refused(darsena, "a long line", &with(&format!("RUN {}", "x".repeat(70_000))), "max allowed size");
    refused(darsena, "a long name", &with(&"X".repeat(60_000)), "unknown instruction");
    refused(darsena, "a large file", &with(&"# comment\n".repeat(1 << 20)), "is too big");
    refused(darsena, "no text", &with("RUN \u{0}\n").repeat(2), "");
    refused(darsena, "not UTF-8", &[from.as_bytes(), b"LABEL a=\xff\xfe\n"].concat(), "not valid UTF-8");
    refused(darsena, "many instructions", &with(&"ENV a=b\n".repeat(100_000)), "more than 5000 instructions");
    refused(darsena, "many stages", &from.repeat(100_000).into_bytes(), "more than 250 stages");
    refused(
        darsena,
        "a heredoc without end",
        &with(&format!("RUN <<EOF\n{}", "x\n".repeat(1 << 20))),
        "unterminated heredoc",
    );
    let heredocs = format!("RUN {}\n", "<<a ".repeat(15_000));
    refused(darsena, "many heredocs", &with(&heredocs), "unterminated heredoc");
    refused(darsena, "continued for ever", &with(&"RUN \\\n".repeat(500_000)), "");
    refused(
        darsena,
        "a circle",
        b"FROM b AS a\nCOPY --from=b x /\nFROM a AS b\nCOPY --from=a x /\n",
        "circular dependency",
    );
    refused(darsena, "deep JSON", &with(&format!("SHELL {}", "[".repeat(60_000))), "JSON");
    assert!(memory.grown() < ROOM, "the server took {} bytes more", memory.grown());
}

fn variables(darsena: &mut Darsena) {
    let memory = Memory::watch(darsena.pid());
    let doubled = |keyword: &str, turns: usize| {
        let mut text = format!("{keyword} A0=0123456789abcdef\n");
        for turn in 1..=turns {
            writeln!(text, "{keyword} A{turn}=$A{0}$A{0}", turn - 1).unwrap();
        }
        text
    };
    let from = format!("FROM {IMAGE}\n");
    // 2^40 times 16 bytes, before the first FROM, as ARG and as ENV.
    let before = format!("{}{from}", doubled("ARG", 40));
    refused(darsena, "global ARGs", before.as_bytes(), "too long");
    for keyword in ["ARG", "ENV"] {
        let text = format!("{from}{}", doubled(keyword, 40));
        refused(darsena, keyword, text.as_bytes(), "bytes of them");
    }
    // 256 KiB, again and again.
    let large = format!("{from}{}", doubled("ARG", 14));
    let again = |each: &str, times: usize| format!("{large}LABEL{}\n", each.repeat(times)).into_bytes();
    refused(darsena, "labels", &again(" \\\n a=$A14", 20_000), "");
    refused(darsena, "nothing of much", &again(" \\\n a=${A14##*}", 20_000), "too many");
    refused(darsena, "one or the other", &again(" \\\n a=${A14:+b}", 20_000), "too many");
    refused(darsena, "replaced", &again(" \\\n a=${A14//*f*0/x}", 20_000), "too many");
    let nested = format!("{from}ENV a={}b{}\n", "${x:-".repeat(10_000), "}".repeat(10_000));
    refused(darsena, "nested", nested.as_bytes(), "too many nested substitutions");
    let mut many = format!("{from}ENV");
    (0..200_000).for_each(|turn| write!(many, " \\\n a{turn}=").unwrap());
    refused(darsena, "many variables", many.as_bytes(), "more than 10000 variables");
    let mut undefined = format!("{from}LABEL a=");
    (0..9000).for_each(|turn| write!(undefined, "$u{turn}").unwrap());
    leaves_nothing(darsena, |docker| {
        let context = Tree::new().file("Dockerfile", &undefined).done();
        docker.run_with(&["build", "-t", "hostile:1", "-"], &context).ok();
    });
    assert!(memory.grown() < ROOM, "the server took {} bytes more", memory.grown());
}

fn stages(darsena: &mut Darsena) {
    let mut file = format!("FROM {IMAGE} AS s0\n");
    for stage in 1..250 {
        writeln!(file, "FROM s{} AS s{stage}\nENV stage={stage}", stage - 1).unwrap();
    }
    leaves_nothing(darsena, |docker| {
        let context = Tree::new().file("Dockerfile", &file).done();
        docker.run_with(&["build", "-q", "-t", "hostile:1", "-"], &context).ok();
        assert_eq!(docker.run(&["run", "--rm", "hostile:1", "sh", "-c", "echo $stage"]).ok(), "249");
    });
}

fn patterns(darsena: &mut Darsena) {
    let file = format!("FROM {IMAGE}\nCOPY . /in/\n");
    let long = "a".repeat(90);
    let context = |ignored: &[u8]| {
        let tree = Tree::new().file("Dockerfile", &file).entry(tar::EntryType::Regular, ".dockerignore", "", ignored);
        (0..25).fold(tree, |tree, turn| tree.file(&format!("{long}{turn}"), "x")).done()
    };
    for (what, ignored) in [
        ("stars", "*a".repeat(2000) + "b"),
        ("stars and stars", "**/".repeat(2000) + "b"),
        ("stars of both kinds", "**a*".repeat(1000) + "b"),
        ("questions", "*?".repeat(2000) + "b"),
        ("classes", "*[a-z]".repeat(1000) + "b"),
        ("many", format!("{}b\n", "*a".repeat(40)).repeat(200)),
        ("taken back", "*\n!".to_owned() + &"**/a*".repeat(500) + "b\n!Dockerfile"),
    ] {
        leaves_nothing(darsena, |docker| {
            let output = docker.run_with(&["build", "-t", "hostile:1", "-"], &context(ignored.as_bytes()));
            assert!(output.code == 0 || output.error().contains("COPY"), "{what}: {}", output.error());
        });
    }
    for (what, ignored, words) in [
        ("no class", b"[a-\n".to_vec(), "syntax error in pattern"),
        ("nothing taken back", b"!\n".to_vec(), "illegal exclusion pattern"),
        ("far too long", b"x\n".repeat(1 << 20), "is too big"),
    ] {
        leaves_nothing(darsena, |docker| {
            let error = docker.run_with(&["build", "-t", "hostile:1", "-"], &context(&ignored)).fails();
            assert!(error.contains(words), "{what}: {error}");
        });
    }
    // No text at all, but names all the same.
    leaves_nothing(darsena, |docker| {
        docker.run_with(&["build", "-t", "hostile:1", "-"], &context(b"\xff\xfe*\n\0\n")).ok();
    });
}
