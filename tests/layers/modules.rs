//! The modules of a crate: which file uses which names of which other file, and where that runs in circles.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::tokens::{Token, group, tokens};

/// Segments of a module's path below the root of its crate.
type Module = Vec<String>;

/// A crate's files, by module.
pub struct Modules(BTreeMap<Module, Source>);

/// What one file says of names.
pub struct Source {
    /// Its path below `src`.
    pub file: String,
    /// Its code.
    pub tokens: Vec<Token>,
    imports: Vec<Import>,
}

/// One name that a `use` brings in.
struct Import {
    path: Vec<String>,
    alias: String,
    /// Whether it is `pub` in any way.
    is_public: bool,
}

/// Names that one file uses of others: using file, defining file → names.
pub type Uses = BTreeMap<(String, String), BTreeSet<String>>;

impl Modules {
    /// The modules below a crate's `src`, without its tests.
    pub fn read(src: &Path) -> Modules {
        let mut files = Vec::new();
        collect(src, "", &mut files);
        Modules::of(&files)
    }

    /// The modules of files with these paths below `src` and texts.
    pub fn of<T: AsRef<str>>(files: &[(T, T)]) -> Modules {
        let source =
            |(file, text): &(T, T)| (module_of(file.as_ref()), Source::new(file.as_ref().to_owned(), text.as_ref()));
        Modules(files.iter().map(source).collect())
    }

    /// The files.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.0.values()
    }

    /// Which names each file uses of which other.
    pub fn uses(&self) -> Uses {
        let mut uses = Uses::new();
        for (module, source) in &self.0 {
            for (target, name) in self.targets(module, source) {
                let file = &self.0[&target].file;
                if *file != source.file {
                    uses.entry((source.file.clone(), file.clone())).or_default().insert(name);
                }
            }
        }
        uses
    }

    /// The module that defines each name which `source` uses, with the name.
    fn targets(&self, module: &Module, source: &Source) -> Vec<(Module, String)> {
        let mut found = Vec::new();
        let mut modules: BTreeMap<&str, Module> = BTreeMap::new();
        for child in self.0.keys().filter(|child| child.len() == module.len() + 1 && child.starts_with(module)) {
            modules.insert(&child[module.len()], child.clone());
        }
        for import in &source.imports {
            let Some((target, name)) = self.resolve(module, &import.path, 0) else { continue };
            // What a parent hands on of its own children is no use of them.
            let hands_on = import.is_public && target.len() > module.len() && target.starts_with(module);
            match (name, hands_on) {
                (_, true) => {}
                (Some(name), false) => found.push((target, name)),
                // Of an imported module the names count that are used of it.
                (None, false) => drop(modules.insert(&import.alias, target)),
            }
        }
        for path in paths(&source.tokens) {
            let target = match modules.get(path[0].as_str()) {
                Some(start) => self.descend(start.clone(), &path[1..], 0),
                None => self.resolve(module, &path, 0),
            };
            if let Some((target, Some(name))) = target {
                found.push((target, name));
            }
        }
        found
    }

    /// The module that `path`, as written in `module`, leads to, and the name in it; none for what is not of this crate.
    fn resolve(&self, module: &Module, path: &[String], depth: usize) -> Option<(Module, Option<String>)> {
        let mut at = module.clone();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => {
                while rest.first().is_some_and(|segment| segment == "super") {
                    at.pop()?;
                    rest = &rest[1..];
                }
                return self.descend(at, rest, depth);
            }
            first => {
                at.push(first.to_owned());
                self.0.get(&at)?;
            }
        }
        self.descend(at, &rest[1..], depth)
    }

    fn descend(&self, mut at: Module, path: &[String], depth: usize) -> Option<(Module, Option<String>)> {
        let mut rest = path;
        while let Some(name) = rest.first() {
            // A module may hand on a name that one of its children has, too.
            let handed_on = rest.len() == 1 && self.0[&at].imports.iter().any(|import| import.alias == *name);
            let child = [at.as_slice(), std::slice::from_ref(name)].concat();
            if handed_on || !self.0.contains_key(&child) {
                return self.origin(at, rest, depth);
            }
            at = child;
            rest = &rest[1..];
        }
        Some((at, None))
    }

    /// Follows the imports of `module` to where the name at the start of `path` is defined.
    fn origin(&self, module: Module, path: &[String], depth: usize) -> Option<(Module, Option<String>)> {
        let name = &path[0];
        let imports = &self.0[&module].imports;
        let import = imports.iter().find(|import| import.alias == *name && import.path != [name.clone()]);
        if let (Some(import), true) = (import, depth < 8) {
            // Names of other crates that are handed on tie nobody to this file.
            let (target, inner) = self.resolve(&module, &import.path, depth + 1)?;
            return match inner {
                None => self.descend(target, &path[1..], depth + 1),
                named => Some((target, named)),
            };
        }
        Some((module, Some(name.clone())))
    }

    /// The groups of files of which each uses all others by some way, with the names that tie them.
    pub fn circles(&self) -> Vec<Circle> {
        let uses = self.uses();
        let mut reached: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for source in self.sources() {
            let mut seen = BTreeSet::new();
            let mut open = vec![source.file.as_str()];
            while let Some(file) = open.pop() {
                for (_, to) in uses.keys().filter(|(from, _)| from == file) {
                    if seen.insert(to.as_str()) {
                        open.push(to);
                    }
                }
            }
            reached.insert(&source.file, seen);
        }
        let mut circles: BTreeSet<Vec<&str>> = BTreeSet::new();
        for (file, seen) in &reached {
            let circle: Vec<&str> = seen.iter().copied().filter(|other| reached[other].contains(file)).collect();
            if !circle.is_empty() {
                circles.insert(circle);
            }
        }
        circles.into_iter().map(|files| Circle::of(&files, &uses)).collect()
    }
}

/// Files that use each other in a circle.
#[derive(Debug, PartialEq, Eq)]
pub struct Circle {
    /// The files.
    pub files: Vec<String>,
    /// Lines of the form `a.rs uses X, Y of b.rs`.
    pub ties: Vec<String>,
}

impl Circle {
    fn of(files: &[&str], uses: &Uses) -> Circle {
        let inside = |file: &String| files.contains(&file.as_str());
        let ties = uses.iter().filter(|((from, to), _)| inside(from) && inside(to)).map(|((from, to), names)| {
            format!("{from} uses {} of {to}", names.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
        });
        Circle { files: files.iter().map(|file| (*file).to_owned()).collect(), ties: ties.collect() }
    }
}

impl Source {
    /// The file at a path below `src` with this text.
    pub fn new(file: String, text: &str) -> Source {
        let tokens = tokens(text);
        let imports = imports(&tokens);
        Source { file, tokens, imports }
    }

    /// The full paths that it imports, of whatever crate.
    pub fn imported(&self) -> impl Iterator<Item = String> {
        self.imports.iter().map(|import| import.path.join("::"))
    }
}

/// The Rust files below a folder, but for tests: path below `src` and text.
fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let file = format!("{prefix}{name}");
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{file}/"), files);
        } else if name.ends_with(".rs") && !is_test(&name) {
            files.push((file, fs::read_to_string(entry.path()).unwrap()));
        }
    }
}

fn is_test(name: &str) -> bool {
    ["tests.rs", "testing.rs", "fixture.rs", "fixtures.rs"].contains(&name)
        || name.ends_with("_tests.rs")
        || name.ends_with("_properties.rs")
}

fn module_of(file: &str) -> Module {
    let mut module: Module = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod") || ["lib.rs", "main.rs"].contains(&file) {
        module.pop();
    }
    module
}

/// All names that `use` declarations bring in, at any depth.
fn imports(tokens: &[Token]) -> Vec<Import> {
    let mut imports = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        // `use<'a>` captures lifetimes, and brings in nothing.
        if token.word() == Some("use") && tokens.get(at + 1).is_some_and(|next| !next.is('<')) {
            let is_public = at > 0 && (tokens[at - 1].word() == Some("pub") || tokens[at - 1].is(')'));
            let end = tokens[at..].iter().position(|token| token.is(';')).map_or(tokens.len(), |len| at + len);
            tree(&tokens[at + 1..end], &[], is_public, &mut imports);
        }
    }
    imports
}

/// The names of one branch of a `use` tree.
fn tree(tokens: &[Token], prefix: &[String], is_public: bool, imports: &mut Vec<Import>) {
    let mut path = prefix.to_vec();
    let mut alias = None;
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            Token::Mark('{') => {
                let inner = &tokens[at + 1..at + group(&tokens[at..]) - 1];
                for branch in branches(inner) {
                    tree(branch, &path, is_public, imports);
                }
                return;
            }
            Token::Mark('*') => path.push("*".into()),
            Token::Word(word) if word == "as" => {
                alias = tokens.get(at + 1).and_then(Token::word).map(str::to_owned);
                break;
            }
            Token::Word(word) if word == "self" && !path.is_empty() => {}
            Token::Word(word) => path.push(word.clone()),
            _ => {}
        }
        at += 1;
    }
    if let Some(last) = path.last().cloned() {
        imports.push(Import { path, alias: alias.unwrap_or(last), is_public });
    }
}

/// `tokens` at its outermost commas.
fn branches(tokens: &[Token]) -> Vec<&[Token]> {
    let mut branches = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < tokens.len() {
        if tokens[at].is(',') {
            branches.push(&tokens[start..at]);
            start = at + 1;
        }
        at += if tokens[at].is('{') { group(&tokens[at..]) } else { 1 };
    }
    branches.push(&tokens[start..]);
    branches.retain(|branch| !branch.is_empty());
    branches
}

/// The paths of at least two segments in code, outside of `use` declarations.
pub fn paths(tokens: &[Token]) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let Some(first) = tokens[at].word() else {
            at += 1;
            continue;
        };
        if first == "use" && tokens.get(at + 1).is_some_and(|next| !next.is('<')) {
            at += tokens[at..].iter().position(|token| token.is(';')).unwrap_or(1);
            continue;
        }
        let inside = at > 0 && (tokens[at - 1] == Token::Path || tokens[at - 1].is('.'));
        let mut path = vec![first.to_owned()];
        while let (Some(Token::Path), Some(Token::Word(next))) = (tokens.get(at + 1), tokens.get(at + 2)) {
            path.push(next.clone());
            at += 2;
        }
        at += 1;
        if path.len() > 1 && !inside {
            paths.push(path);
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let circles = Modules::of(files).circles();
        circles.into_iter().flat_map(|circle| [vec![circle.files.join(" ")], circle.ties].concat()).collect()
    }

    #[test]
    fn a_circle_is_found_with_the_names_that_tie_it() {
        let files = [
            ("main.rs", "mod a; mod b; mod c; fn main() { a::run() }"),
            ("a.rs", "use crate::b::{self, Made}; pub fn run() { b::make() }"),
            ("b.rs", "pub struct Made; pub fn make() { crate::c::more() }"),
            ("c.rs", "use super::a::run; pub fn more() {}"),
        ];
        let expected =
            ["a.rs b.rs c.rs", "a.rs uses Made, make of b.rs", "b.rs uses more of c.rs", "c.rs uses run of a.rs"];
        assert_eq!(circles(&files), expected);
    }

    #[test]
    fn what_is_handed_on_is_of_the_file_that_defines_it() {
        let files = [
            ("lib.rs", "mod a; mod b; pub use a::A; pub use b::{B, two as three};"),
            ("a.rs", "use crate::{B, three}; pub struct A;"),
            ("b/mod.rs", "mod one; mod two; pub(crate) use one::B; pub use two::two;"),
            ("b/one.rs", "use super::two; pub struct B;"),
            ("b/two.rs", "pub fn two() {}"),
        ];
        assert_eq!(circles(&files), [""; 0]);
        let uses: Vec<(String, String)> = Modules::of(&files).uses().into_keys().collect();
        let expected = [("a.rs", "b/one.rs"), ("a.rs", "b/two.rs"), ("b/one.rs", "b/two.rs")];
        assert_eq!(uses, expected.map(|(from, to)| (from.to_owned(), to.to_owned())));
    }

    #[test]
    fn a_parent_that_uses_a_child_that_uses_it_is_a_circle_unless_only_in_tests() {
        let child = ("a.rs", "use super::Parent;");
        let files = [("lib.rs", "mod a; pub struct Parent; fn f() { a::g() }"), child];
        assert_eq!(circles(&files), ["a.rs lib.rs", "a.rs uses Parent of lib.rs", "lib.rs uses g of a.rs"]);
        let files = [("lib.rs", "mod a; pub struct Parent; #[cfg(test)] mod tests { fn f() { a::g() } }"), child];
        assert_eq!(circles(&files), [""; 0]);
    }
}
