//! Names of columns.

use zcoord::label_of;

use crate::batch::Dimension;

/// How the features of a variable are named: `{var}`, `{DIM}` for the value of a feature dimension, and `[…]` around parts
/// that are omitted if the variable has no such dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A name in braces.
    Value(String),
    Optional(Vec<Part>),
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// A message: braces or brackets that are not closed, or no `{var}`.
    pub fn parse(text: &str) -> Result<Template, String> {
        let mut rest = text;
        let parts = parts(&mut rest, false)?;
        match text.contains("{var}") {
            true => Ok(Template(parts)),
            false => Err("a column name must contain {var}, such as '{var}_{level}'".into()),
        }
    }

    /// The name of one feature of a variable with these dimensions. A variable that has none keeps its plain name.
    ///
    /// # Errors
    /// A dimension that the variable does not have, outside of brackets.
    pub fn name(&self, variable: &str, dimensions: &[Dimension], indices: &[usize]) -> Result<String, String> {
        if dimensions.is_empty() {
            return Ok(variable.to_owned());
        }
        let value = |name: &str| match name {
            "var" => Some(variable.to_owned()),
            _ => {
                let at = dimensions.iter().position(|dimension| dimension.name == name)?;
                Some(label_of(&dimensions[at].coordinate, indices[at]))
            }
        };
        fill(&self.0, &value)
            .map_err(|name| format!("{variable} has no dimension {name:?}, which the column name uses"))
    }
}

fn parts(rest: &mut &str, inside: bool) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut text = String::new();
    loop {
        let Some(c) = rest.chars().next() else {
            if inside {
                return Err("a [ is not closed by ]".into());
            }
            break;
        };
        *rest = &rest[c.len_utf8()..];
        match c {
            '{' => {
                let (name, behind) = rest.split_once('}').ok_or("a { is not closed by }")?;
                parts.extend((!text.is_empty()).then(|| Part::Text(std::mem::take(&mut text))));
                parts.push(Part::Value(name.to_owned()));
                *rest = behind;
            }
            '[' if !inside => {
                parts.extend((!text.is_empty()).then(|| Part::Text(std::mem::take(&mut text))));
                parts.push(Part::Optional(self::parts(rest, true)?));
            }
            ']' if inside => break,
            c => text.push(c),
        }
    }
    parts.extend((!text.is_empty()).then_some(Part::Text(text)));
    Ok(parts)
}

/// The parts joined, or the first name without a value.
fn fill(parts: &[Part], value: &impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut name = String::new();
    for part in parts {
        match part {
            Part::Text(text) => name.push_str(text),
            Part::Value(key) => name.push_str(&value(key).ok_or_else(|| key.clone())?),
            Part::Optional(parts) => name.push_str(&fill(parts, value).unwrap_or_default()),
        }
    }
    Ok(name)
}

/// The name of a feature without a template: the variable, then the value of each dimension.
pub fn plain_name(variable: &str, dimensions: &[Dimension], indices: &[usize]) -> String {
    let values = dimensions.iter().zip(indices).map(|(dimension, index)| label_of(&dimension.coordinate, *index));
    std::iter::once(variable.to_owned()).chain(values).collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use zcoord::{Column, Kind, Values};

    use super::*;

    fn dimension(name: &str, values: Values) -> Dimension {
        Dimension { name: name.into(), coordinate: Column::new(Kind::Float(32), values), attributes: Vec::new() }
    }

    #[test]
    fn names_follow_the_template_and_plain_variables_keep_theirs() {
        let level = dimension("level", Values::F32(vec![1000.0, 0.5]));
        let step = dimension("step", Values::I64(vec![6, 12]));
        let both = [level.clone(), step];
        assert_eq!(plain_name("t", &both, &[0, 1]), "t_1000_12");
        let template = Template::parse("{var}[_l{level}][_s{step}]").expect("parses");
        assert_eq!(template.name("t", &both, &[1, 0]), Ok("t_l0.5_s6".into()));
        assert_eq!(template.name("t", &both[..1], &[1]), Ok("t_l0.5".into()));
        assert_eq!(template.name("t2m", &[], &[]), Ok("t2m".into()));
        let strict = Template::parse("{level}hPa:{var}").expect("parses");
        assert_eq!(strict.name("t", &[level], &[0]), Ok("1000hPa:t".into()));
        assert!(strict.name("t", &both[1..], &[0]).expect_err("no level").contains("\"level\""));
        for bad in ["{level}", "{var", "{var}[_{level}"] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
    }
}
