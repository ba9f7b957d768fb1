//! Log options that choose what is shown before each line: labels, variables, and a tag.

use runtime::view::ContainerView;

/// Options that name labels and variables, separated by commas.
pub const CHOICES: &[&str] = &["labels", "env"];

/// Options with a regular expression that finds them.
pub const PATTERNS: &[&str] = &["labels-regex", "env-regex"];

/// What a tag can show of a container.
const FIELDS: &[&str] = &["ID", "FullID", "Name", "ImageID", "ImageFullID", "ImageName", "Command", "DaemonName"];

/// A tag: text with what stands for something of the container.
#[derive(Debug, PartialEq, Eq)]
pub struct Tag<'a>(Vec<Piece<'a>>);

#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Field(&'static str),
}

impl<'a> Tag<'a> {
    /// Reads `text {{.Name}}`.
    ///
    /// # Errors
    /// The part that can't be shown.
    pub fn parse(template: &'a str) -> Result<Self, &'a str> {
        let (mut pieces, mut rest) = (Vec::new(), template);
        while let Some(start) = rest.find("{{") {
            let length = rest[start..].find("}}").ok_or(&rest[start..])?;
            let (inner, whole) = (&rest[start + 2..start + length], &rest[start..start + length + 2]);
            let name = inner.trim().strip_prefix('.').ok_or(whole)?;
            let field = FIELDS.iter().find(|field| **field == name).ok_or(whole)?;
            pieces.extend([Piece::Text(&rest[..start]), Piece::Field(field)]);
            rest = &rest[start + length + 2..];
        }
        pieces.push(Piece::Text(rest));
        Ok(Self(pieces))
    }

    /// What it shows of this container.
    pub fn show(&self, container: &ContainerView) -> String {
        let show = |piece: &Piece<'_>| {
            let image = || container.image_id.to_string();
            match piece {
                Piece::Text(text) => (*text).to_owned(),
                Piece::Field("ID") => container.id.as_str().chars().take(12).collect(),
                Piece::Field("FullID") => container.id.to_string(),
                Piece::Field("Name") => container.name.clone(),
                // Docker's own: the algorithm counts.
                Piece::Field("ImageID") => image().chars().take(12).collect(),
                Piece::Field("ImageFullID") => image(),
                Piece::Field("ImageName") => container.request.image.clone(),
                Piece::Field("Command") => container.argv.join(" "),
                Piece::Field(_) => "darsena".to_owned(),
            }
        };
        self.0.iter().map(show).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_cannot_be_shown_are_told() {
        assert_eq!(Tag::parse("a{{.ID}}b"), Ok(Tag(vec![Piece::Text("a"), Piece::Field("ID"), Piece::Text("b")])));
        assert_eq!(Tag::parse("x{{.Colour}}"), Err("{{.Colour}}"));
        assert_eq!(Tag::parse("{{json .}}"), Err("{{json .}}"));
        assert_eq!(Tag::parse("{{.ID"), Err("{{.ID"));
    }
}
