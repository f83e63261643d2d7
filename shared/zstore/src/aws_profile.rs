//! Profiles of the AWS command line: credentials and region of the one that `AWS_PROFILE` names, or of the default one.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::Setting;

/// Members of a profile, and the names that settings of a store have for them.
const MEMBERS: [(&str, &str); 5] = [
    ("aws_access_key_id", "aws_access_key_id"),
    ("aws_secret_access_key", "aws_secret_access_key"),
    ("aws_session_token", "aws_session_token"),
    ("region", "aws_region"),
    ("endpoint_url", "aws_endpoint"),
];

/// Ways to credentials that only the AWS command line goes.
const OTHER_WAYS: [&str; 5] = ["sso_session", "sso_start_url", "role_arn", "credential_process", "login_session"];

/// The settings of the profile, without those that the environment has.
///
/// # Errors
/// A profile that `AWS_PROFILE` names and that is not there, or has no keys.
pub fn settings() -> Result<Vec<Setting>, String> {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if is_set("AWS_ACCESS_KEY_ID") {
        return Ok(Vec::new());
    }
    let named = std::env::var("AWS_PROFILE").ok().filter(|name| !name.is_empty());
    let read = |variable: &str, name: &str| {
        let path = std::env::var_os(variable).map(PathBuf::from);
        let path = path.or_else(|| Some(std::env::home_dir()?.join(".aws").join(name)))?;
        std::fs::read_to_string(path).ok()
    };
    let (credentials, config) = (read("AWS_SHARED_CREDENTIALS_FILE", "credentials"), read("AWS_CONFIG_FILE", "config"));
    let name = named.as_deref().unwrap_or("default");
    let members = members(name, &credentials.unwrap_or_default(), &config.unwrap_or_default());
    if named.is_some() {
        check(name, &members)?;
    }
    let region = is_set("AWS_REGION") || is_set("AWS_DEFAULT_REGION");
    let endpoint = is_set("AWS_ENDPOINT") || is_set("AWS_ENDPOINT_URL");
    let wanted = MEMBERS.iter().filter(|(member, _)| match *member {
        "region" => !region,
        "endpoint_url" => !endpoint,
        _ => members.contains_key("aws_secret_access_key"),
    });
    let setting =
        |(member, key): &(&str, &str)| Some(Setting { key: (*key).to_owned(), value: members.get(*member)?.clone() });
    Ok(wanted.filter_map(setting).collect())
}

fn check(name: &str, members: &HashMap<String, String>) -> Result<(), String> {
    if members.is_empty() {
        return Err(format!("there is no profile {name:?} (AWS_PROFILE) in ~/.aws/credentials and ~/.aws/config"));
    }
    if members.contains_key("aws_secret_access_key") {
        return Ok(());
    }
    let way = OTHER_WAYS.iter().find(|way| members.contains_key(**way)).copied().unwrap_or("no access key");
    Err(format!(
        "the profile {name:?} (AWS_PROFILE) has {way}, which is not supported; run \
         eval \"$(aws configure export-credentials --profile {name} --format env)\" first"
    ))
}

/// The members of a profile: those of the credentials file come first.
fn members(name: &str, credentials: &str, config: &str) -> HashMap<String, String> {
    let in_config = if name == "default" { name.to_owned() } else { format!("profile {name}") };
    let mut members = section(config, &in_config);
    members.extend(section(credentials, name));
    members
}

/// The members of a section of an INI file. Indented lines belong to the member above them.
fn section(text: &str, name: &str) -> HashMap<String, String> {
    let mut inside = false;
    let mut members = HashMap::new();
    for line in text.lines().filter(|line| !line.starts_with(['#', ';', ' ', '\t'])) {
        if let Some(title) = line.trim().strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            inside = title.split_whitespace().eq(name.split_whitespace());
        } else if let (true, Some((key, value))) = (inside, line.split_once('=')) {
            members.insert(key.trim().to_lowercase(), value.trim().to_owned());
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_from_both_files() {
        let credentials = "[default]\naws_access_key_id = A\naws_secret_access_key=B\n\n[work]\n# no\naws_access_key_id=C\n\
            aws_secret_access_key = D=\naws_session_token = E\n";
        let config = "[default]\nregion = r1\n[profile work]\nregion=r2\ns3 =\n  region = no\noutput = json\n\
            [profile  sso]\nsso_start_url = x\n[sso-session x]\nregion = no\n";
        let of = |name: &str| members(name, credentials, config);
        let (default, work) = (of("default"), of("work"));
        assert_eq!((default["aws_access_key_id"].as_str(), default["region"].as_str()), ("A", "r1"));
        assert_eq!((work["aws_secret_access_key"].as_str(), work["region"].as_str()), ("D=", "r2"));
        assert_eq!(work["aws_session_token"], "E");
        assert!(check("work", &work).is_ok());
        assert!(check("nobody", &of("nobody")).is_err_and(|text| text.contains("no profile \"nobody\"")));
        assert!(check("sso", &of("sso")).is_err_and(|text| text.contains("sso_start_url") && text.contains("export")));
    }
}
