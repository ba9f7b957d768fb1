//! The names of the rules.

use std::fmt;

macro_rules! rules {
    ($($rule:ident $name:literal $slug:literal $what:literal),* $(,)?) => {
        /// A public build check.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Rule {
            $(#[doc = $what] $rule,)*
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Self] = &[$(Self::$rule),*];

            /// Its public name, as `# check=skip=` has it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$rule => $name),* }
            }

            /// What it asks for.
            pub fn description(self) -> &'static str {
                match self { $(Self::$rule => $what),* }
            }

            /// The page about it.
            pub fn url(self) -> &'static str {
                match self {
                    $(Self::$rule => concat!("https://docs.docker.com/go/dockerfile/rule/", $slug, "/")),*
                }
            }
        }
    };
}

rules! {
    StageNameCasing "StageNameCasing" "stage-name-casing" "Stage names should be lowercase",
    FromAsCasing "FromAsCasing" "from-as-casing" "The 'as' keyword should match the case of the 'from' keyword",
    NoEmptyContinuation "NoEmptyContinuation" "no-empty-continuation" "Empty continuation lines will become errors in a future release",
    ConsistentInstructionCasing "ConsistentInstructionCasing" "consistent-instruction-casing" "All commands within the Dockerfile should use the same casing (either upper or lower)",
    DuplicateStageName "DuplicateStageName" "duplicate-stage-name" "Stage names should be unique",
    ReservedStageName "ReservedStageName" "reserved-stage-name" "Reserved words should not be used as stage names",
    JsonArgsRecommended "JSONArgsRecommended" "json-args-recommended" "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals",
    MaintainerDeprecated "MaintainerDeprecated" "maintainer-deprecated" "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
    UndefinedArgInFrom "UndefinedArgInFrom" "undefined-arg-in-from" "FROM command must use declared ARGs",
    WorkdirRelativePath "WorkdirRelativePath" "workdir-relative-path" "Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes",
    UndefinedVar "UndefinedVar" "undefined-var" "Variables should be defined before their use",
    MultipleInstructionsDisallowed "MultipleInstructionsDisallowed" "multiple-instructions-disallowed" "Multiple instructions of the same type should not be used in the same stage",
    LegacyKeyValueFormat "LegacyKeyValueFormat" "legacy-key-value-format" "Legacy key/value format with whitespace separator should not be used",
    RedundantTargetPlatform "RedundantTargetPlatform" "redundant-target-platform" "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
    SecretsUsedInArgOrEnv "SecretsUsedInArgOrEnv" "secrets-used-in-arg-or-env" "Sensitive data should not be used in the ARG or ENV commands",
    InvalidDefaultArgInFrom "InvalidDefaultArgInFrom" "invalid-default-arg-in-from" "Default value for global ARG results in an empty or invalid base image name",
    FromPlatformFlagConstDisallowed "FromPlatformFlagConstDisallowed" "from-platform-flag-const-disallowed" "FROM --platform flag should not use a constant value",
    CopyIgnoredFile "CopyIgnoredFile" "copy-ignored-file" "Attempting to Copy file that is excluded by .dockerignore",
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
