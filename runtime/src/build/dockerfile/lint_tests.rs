use super::*;

fn findings(file: &str) -> Vec<String> {
    with(file, LintContext::default())
}

fn with(file: &str, context: LintContext<'_>) -> Vec<String> {
    let file = Dockerfile::parse(file.as_bytes()).unwrap();
    let shown = |finding: Finding| format!("{} {}: {}", finding.location.first, finding.rule, finding.message);
    lint(&file, context).into_iter().map(shown).collect()
}

#[test]
fn each_rule_finds_what_it_is_for() {
    for (file, wanted) in [
        ("FROM alpine AS Base\n", "1 StageNameCasing: Stage name 'Base' should be lowercase"),
        ("FROM alpine as base\n", "1 FromAsCasing: 'as' and 'FROM' keywords' casing do not match"),
        ("FROM alpine\nRUN a \\\n\nb\n", "2 NoEmptyContinuation: Empty continuation line"),
        (
            "FROM alpine\nrun a\nRUN b\n",
            "2 ConsistentInstructionCasing: Command 'run' should match the case of the command majority (uppercase)",
        ),
        (
            "from alpine\nrun a\nRun b\n",
            "3 ConsistentInstructionCasing: Command 'Run' should match the case of the command majority (lowercase)",
        ),
        (
            "FROM a AS x\nFROM b AS x\n",
            "2 DuplicateStageName: Duplicate stage name \"x\", stage names should be unique",
        ),
        (
            "FROM a AS scratch\n",
            "1 ReservedStageName: Stage name should not use the same name as reserved stage \"scratch\"",
        ),
        (
            "FROM a\nCMD echo hi\n",
            "2 JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS \
             signals",
        ),
        (
            "FROM a\nMAINTAINER me\n",
            "2 MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label",
        ),
        (
            "ARG VERSION=1\nFROM a:1$VERSIN\n",
            "2 UndefinedArgInFrom: FROM argument 'VERSIN' is not declared (did you mean VERSION?)",
        ),
        (
            "FROM a\nWORKDIR app\n",
            "2 WorkdirRelativePath: Relative workdir \"app\" can have unexpected results if the base image changes",
        ),
        ("FROM a\nCOPY $foo .\n", "2 UndefinedVar: Usage of undefined variable '$foo'"),
        ("FROM a\nENV PATH=$PAHT:/app\n", "2 UndefinedVar: Usage of undefined variable '$PAHT' (did you mean $PATH?)"),
        ("FROM a\nCOPY <<EOF /x\nit's $foo\nEOF\n", "2 UndefinedVar: Usage of undefined variable '$foo'"),
        (
            "FROM a\nCMD [\"a\"]\nCMD [\"b\"]\n",
            "2 MultipleInstructionsDisallowed: Multiple CMD instructions should not be used in the same stage because \
             only the last one will be used",
        ),
        (
            "FROM a\nENV x y\n",
            "2 LegacyKeyValueFormat: \"ENV key=value\" should be used instead of legacy \"ENV key value\" format",
        ),
        (
            "FROM --platform=$TARGETPLATFORM a\n",
            "1 RedundantTargetPlatform: Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is \
             the default behavior",
        ),
        (
            "FROM a\nARG GITHUB_TOKEN\n",
            "2 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG \"GITHUB_TOKEN\")",
        ),
        (
            "ARG TAG\nFROM a:${TAG}\n",
            "2 InvalidDefaultArgInFrom: Default value for ARG a:${TAG} results in empty or invalid base image name",
        ),
        (
            "FROM --platform=linux/amd64 a\n",
            "1 FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value \"linux/amd64\"",
        ),
    ] {
        assert_eq!(findings(file), [wanted], "{file}");
    }
}

#[test]
fn what_is_fine_is_not_found() {
    for file in [
        "FROM alpine AS base\nfrom base as other\n".replace("from base as", "FROM base AS").as_str(),
        "from alpine as base\nrun true\n",
        "FROM a\nSHELL [\"/bin/bash\", \"-c\"]\nCMD exec a\n",
        "FROM a AS base\nSHELL [\"/bin/bash\", \"-c\"]\nFROM base\nENTRYPOINT exec a\n",
        "FROM a AS base\nWORKDIR /app\nFROM base\nWORKDIR src\n",
        "FROM a\nARG foo\nCOPY $foo ${bar:-x} .\nRUN echo $other\nCMD [\"$x\"]\n",
        "FROM a AS base\nENV x=1\nFROM base\nENV y=$x\n",
        "FROM a\nCOPY <<'EOF' /x\n$foo\nEOF\n",
        "ARG TAG=1\nFROM a:${TAG}\nFROM --platform=$BUILDPLATFORM b\n",
        "FROM --platform=linux/arm64 a AS build-arm64\n",
        "FROM a\nARG PUBLIC_KEY KEYBOARD MONKEY\n",
        "FROM a\nENV no_proxy_copy=$no_proxy\n",
        "FROM a\nCMD [\"a\"]\nFROM b\nCMD [\"b\"]\n",
    ] {
        assert_eq!(findings(file), Vec::<String>::new(), "{file}");
    }
}

#[test]
fn skipped_rules_are_left_out() {
    let file = "FROM a AS X\nMAINTAINER me\n";
    assert_eq!(findings(file).len(), 2);
    assert_eq!(findings(&format!("# check=skip=all\n{file}")), Vec::<String>::new());
    let one = findings(&format!("# check=skip=StageNameCasing,UndefinedVar;error=true\n{file}"));
    assert_eq!(one, ["3 MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label"]);
    assert_eq!(findings(&format!("# check=skip=stagenamecasing\n{file}")).len(), 2);
}

#[test]
fn ignored_files_and_known_images() {
    let ignore = Ignore::parse(b"*.log\nsecret\n!secret/public\n").unwrap();
    let context = LintContext { ignore: Some(&ignore), ..LintContext::default() };
    let file = "FROM a\nARG F=x.log\nCOPY ./a.txt /b.log ${F} https://h/x.log secret /dst/\nADD y.log /\n\
        COPY --from=a z.log /\n";
    let found = |line: u8, verb: &str, path: &str| {
        format!("{line} CopyIgnoredFile: Attempting to {verb} file \"{path}\" that is excluded by .dockerignore")
    };
    assert_eq!(with(file, context), [found(3, "Copy", "/b.log"), found(3, "Copy", "x.log"), found(4, "Add", "y.log")]);

    let environments = BTreeMap::from([("python".to_owned(), vec!["PYTHON_VERSION".to_owned()])]);
    let context = LintContext { environments: Some(&environments), ..LintContext::default() };
    let file = "FROM python\nARG V=$PYTHON_VERSION\n";
    assert_eq!(with(file, context), Vec::<String>::new());
    assert_eq!(findings(file), ["2 UndefinedVar: Usage of undefined variable '$PYTHON_VERSION'"]);
}

#[test]
fn rules_have_pages_and_names() {
    for rule in Rule::ALL {
        assert!(rule.url().starts_with("https://docs.docker.com/"), "{rule}");
        assert!(!rule.description().is_empty());
    }
    assert_eq!(Rule::ALL.len(), 18);
}
