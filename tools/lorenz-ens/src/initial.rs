//! Initial conditions: drawn around a centre, or read from a CSV file.

use std::path::Path;

use serde::{Deserialize, Serialize};
use zwire::{Exit, Failure, human_bytes};

use crate::ensemble::{Ensemble, STATE_BYTES};
use crate::random::Normals;

/// Where initial conditions come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initial {
    /// Drawn: `center + randn(members, 3) · spread`.
    Drawn {
        /// Number of members.
        members: u64,
        /// The generator.
        rng: Rng,
        /// Its seed.
        seed: u32,
        /// Mean of the members.
        center: [f64; 3],
        /// Standard deviation of the members.
        spread: f64,
    },
    /// Given: those of a file, which the plan of an output keeps.
    Given {
        /// The members.
        states: Vec<[f64; 3]>,
    },
}

/// A generator of random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rng {
    /// NumPy's `RandomState`.
    Numpy,
    /// Philox4x32-10.
    Philox,
}

impl Initial {
    /// Number of members.
    pub fn members(&self) -> u64 {
        match self {
            Initial::Drawn { members, .. } => *members,
            Initial::Given { states } => states.len() as u64,
        }
    }

    /// All members, if their states fit into `memory` bytes.
    ///
    /// # Errors
    /// [`Exit::Usage`] if they do not, or if there is none.
    pub fn ensemble(&self, memory: u64) -> Result<Ensemble, Failure> {
        let bytes = self.members().saturating_mul(STATE_BYTES);
        if bytes > memory {
            let text = format!(
                "the states of all members need {}, but --max-memory is {}",
                human_bytes(bytes),
                human_bytes(memory)
            );
            return Err(Failure::usage(text).hint("raise --max-memory, or reduce --members"));
        }
        let mut ensemble = Ensemble::default();
        match self {
            Initial::Given { states } => states.iter().for_each(|state| ensemble.push(*state)),
            Initial::Drawn { members, rng, seed, center, spread } => {
                let mut normals = match rng {
                    Rng::Numpy => Normals::random_state(*seed),
                    Rng::Philox => Normals::philox(*seed),
                };
                for _ in 0..*members {
                    ensemble.push(center.map(|center| center + normals.draw() * spread));
                }
            }
        }
        Ok(ensemble)
    }

    /// Reads members from a CSV file: three columns, with or without a header that names them x, y and z.
    ///
    /// # Errors
    /// A file that cannot be read; [`Exit::Unreadable`] with the line that is malformed.
    pub fn read(path: &Path) -> Result<Initial, Failure> {
        let wrong = |text: String| Failure::new(Exit::Unreadable, text).at(path.display());
        let bytes = std::fs::read(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Failure::new(Exit::Absent, "no such file").at(path.display()),
            _ => wrong(error.to_string()),
        })?;
        let mut columns = [0, 1, 2];
        let (mut states, mut is_first) = (Vec::new(), true);
        for (line, bytes) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            let at_line = |what: String| wrong(format!("line {line}: {what}"));
            let text = std::str::from_utf8(bytes).map_err(|_| at_line("is not UTF-8 text".into()))?;
            if text.trim().is_empty() {
                continue;
            }
            let fields: Vec<&str> = text.trim_start_matches('\u{feff}').split(',').map(unquoted).collect();
            match header(&fields).filter(|_| is_first) {
                Some(named) => columns = named,
                None => states.push(state(&fields, columns).map_err(at_line)?),
            }
            is_first = false;
        }
        match states.is_empty() {
            true => Err(wrong("no member is listed".into()).hint("write a line x,y,z for each member")),
            false => Ok(Initial::Given { states }),
        }
    }
}

/// A field without the spaces and quotes around it.
fn unquoted(field: &str) -> &str {
    let field = field.trim();
    field.strip_prefix('"').and_then(|field| field.strip_suffix('"')).unwrap_or(field)
}

/// The columns of x, y and z, if the row is a header.
fn header(row: &[&str]) -> Option<[usize; 3]> {
    let column = |name: &str| row.iter().position(|field| field.eq_ignore_ascii_case(name));
    Some([column("x")?, column("y")?, column("z")?])
}

fn state(row: &[&str], columns: [usize; 3]) -> Result<[f64; 3], String> {
    let mut state = [0.0; 3];
    for ((value, column), name) in state.iter_mut().zip(columns).zip(["x", "y", "z"]) {
        let field = row.get(column).ok_or_else(|| format!("{name} is missing: found {} of 3 columns", row.len()))?;
        *value = match field.parse::<f64>() {
            Ok(number) if number.is_finite() => number,
            _ => return Err(format!("{name} is not a finite number: {field:?}")),
        };
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Initial, Failure> {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("ics.csv");
        std::fs::write(&path, text).expect("writes");
        Initial::read(&path)
    }

    #[test]
    fn the_lecture_draws_these_members() {
        let center = [-10.0, -10.0, 25.0];
        let initial = Initial::Drawn { members: 30, rng: Rng::Numpy, seed: 42, center, spread: 0.5 };
        let ensemble = initial.ensemble(1 << 20).expect("fits");
        // [-10, -10, 25] + np.random.randn(30, 3) * 0.5 after np.random.seed(42)
        let drawn = [0.4967141530112327, -0.13826430117118466, 0.6476885381006925];
        let first: [f64; 3] = std::array::from_fn(|i| center[i] + drawn[i] * 0.5);
        assert_eq!(ensemble.state(0).map(f64::to_bits), first.map(f64::to_bits));
        assert_eq!(ensemble.len(), 30);
        assert!(initial.ensemble(30 * 24 - 1).is_err_and(|failure| failure.exit == Exit::Usage));
    }

    #[test]
    fn members_are_read_in_any_order_of_columns() {
        let states = vec![[1.0, 2.0, 3.0], [-4.0, 5.5, 6e1]];
        let given = Initial::Given { states };
        assert_eq!(read("1,2,3\n-4, 5.5 ,6e1\n").expect("reads"), given);
        assert_eq!(read("member,z,y,x\n0,3,2,1\n1,6e1,5.5,-4\n").expect("reads"), given);
    }

    #[test]
    fn a_malformed_line_is_named() {
        for (text, expected) in [
            ("x,y,z\n1,2,3\n1,two,3\n", "line 3: y is not a finite number: \"two\""),
            ("1,2\n", "line 1: z is missing: found 2 of 3 columns"),
            ("1,2,3\n\n1,2,inf\n", "line 3: z is not a finite number: \"inf\""),
            ("x,y,z\n", "no member is listed"),
            ("", "no member is listed"),
        ] {
            let failure = read(text).expect_err(text);
            assert!(failure.to_string().contains(expected), "{failure}");
            assert_eq!(failure.exit, Exit::Unreadable);
        }
    }
}
