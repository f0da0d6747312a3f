//! Config providers: `${name:path:key}` in a value, as Kafka's three built-in providers resolve it (KIP-297).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::broker::Texts;
use super::properties;
use super::value::split_list;

/// The environment, as a function from a variable's name to its value.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The providers that `config.providers` declares.
pub(super) struct Providers<'a> {
    by_name: BTreeMap<String, Provider>,
    environment: Environment<'a>,
}

struct Provider {
    kind: Kind,
    /// `allowed.paths`: when given, files outside of these are not read.
    allowed_paths: Vec<PathBuf>,
    /// `allowlist.pattern`: when given, other variables are not read.
    allowed_variables: Option<regex::Regex>,
}

#[derive(Clone, Copy)]
enum Kind {
    Env,
    File,
    Directory,
}

/// The key at fault and what is wrong.
pub(super) struct ProviderError {
    pub key: String,
    pub reason: String,
}

impl<'a> Providers<'a> {
    /// Reads `config.providers` and what belongs to it.
    pub fn declared(texts: &Texts, environment: Environment<'a>) -> Result<Providers<'a>, ProviderError> {
        let mut by_name = BTreeMap::new();
        for name in split_list(texts.get("config.providers").map_or("", String::as_str)) {
            let class_key = format!("config.providers.{name}.class");
            let parameter = |what: &str| texts.get(&format!("config.providers.{name}.param.{what}"));
            let class = texts.get(&class_key).map(|class| class.trim()).unwrap_or_default();
            let kind = match class.strip_prefix("org.apache.kafka.common.config.provider.") {
                Some("EnvVarConfigProvider") => Kind::Env,
                Some("FileConfigProvider") => Kind::File,
                Some("DirectoryConfigProvider") => Kind::Directory,
                _ => {
                    let reason = format!(
                        "the class of config provider {name} is \"{class}\"; allowed are EnvVarConfigProvider, FileConfigProvider and DirectoryConfigProvider of org.apache.kafka.common.config.provider"
                    );
                    return Err(ProviderError { key: class_key, reason });
                }
            };
            let allowed_paths = split_list(parameter("allowed.paths").map_or("", String::as_str));
            let pattern = parameter("allowlist.pattern");
            let allowed_variables = pattern.map(|pattern| regex::Regex::new(&format!("^(?:{pattern})$"))).transpose();
            let allowed_variables = allowed_variables.map_err(|error| ProviderError {
                key: format!("config.providers.{name}.param.allowlist.pattern"),
                reason: error.to_string(),
            })?;
            let allowed_paths = allowed_paths.iter().map(PathBuf::from).collect();
            by_name.insert(name, Provider { kind, allowed_paths, allowed_variables });
        }
        Ok(Providers { by_name, environment })
    }

    /// Replaces every reference to a declared provider; others stay as they are.
    pub fn resolve(&self, text: &str) -> Result<String, String> {
        let mut resolved = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let Some(end) = rest[start..].find('}').map(|end| start + end) else { break };
            resolved.push_str(&rest[..start]);
            let reference = &rest[start + 2..end];
            match self.lookup(reference)? {
                Some(value) => resolved.push_str(&value),
                None => resolved.push_str(&rest[start..=end]),
            }
            rest = &rest[end + 1..];
        }
        resolved.push_str(rest);
        Ok(resolved)
    }

    fn lookup(&self, reference: &str) -> Result<Option<String>, String> {
        let mut parts = reference.splitn(3, ':');
        let provider = parts.next().and_then(|name| self.by_name.get(name));
        let (Some(provider), Some(second)) = (provider, parts.next()) else { return Ok(None) };
        let (path, key) = match parts.next() {
            Some(key) => (second, key),
            None => ("", second),
        };
        let value = match provider.kind {
            Kind::Env => provider.variable(key, self.environment)?,
            Kind::File => provider.property(Path::new(path), key)?,
            Kind::Directory => provider.file(Path::new(path), key)?,
        };
        Ok(Some(value))
    }
}

impl Provider {
    fn variable(&self, name: &str, environment: Environment) -> Result<String, String> {
        if self.allowed_variables.as_ref().is_some_and(|pattern| !pattern.is_match(name)) {
            return Err(format!("the environment variable {name} is not in the provider's allowlist.pattern"));
        }
        environment(name).ok_or_else(|| format!("the environment variable {name} is not set"))
    }

    fn property(&self, path: &Path, key: &str) -> Result<String, String> {
        let bytes = self.read(path)?;
        let properties = properties::parse(&bytes)
            .map_err(|error| format!("{}:{}: {}", path.display(), error.line, error.reason))?;
        let found = properties.into_iter().rev().find(|property| property.key == key);
        found.map(|property| property.value).ok_or_else(|| format!("{} has no key {key}", path.display()))
    }

    fn file(&self, directory: &Path, name: &str) -> Result<String, String> {
        if name.contains(['/', '\\']) || name == ".." {
            return Err(format!("{name} is not a file name"));
        }
        let bytes = self.read(&directory.join(name))?;
        String::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8", directory.join(name).display()))
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        let inside =
            |allowed: &PathBuf| path.starts_with(allowed) && !path.components().any(|part| part.as_os_str() == "..");
        if !self.allowed_paths.is_empty() && !self.allowed_paths.iter().any(inside) {
            return Err(format!("{} is not within the provider's allowed.paths", path.display()));
        }
        fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pairs: &[(&str, &str)]) -> Texts {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn environment(name: &str) -> Option<String> {
        (name == "HOME_PORT").then(|| "9092".to_owned())
    }

    const CLASS: &str = "org.apache.kafka.common.config.provider.";

    #[test]
    fn references_are_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secrets.properties");
        fs::write(&file, "password=s3cret\n").unwrap();
        let texts = texts(&[
            ("config.providers", "env, file,dir"),
            ("config.providers.env.class", &format!("{CLASS}EnvVarConfigProvider")),
            ("config.providers.file.class", &format!("{CLASS}FileConfigProvider")),
            ("config.providers.dir.class", &format!("{CLASS}DirectoryConfigProvider")),
        ]);
        let providers = Providers::declared(&texts, &environment).unwrap_or_else(|_| panic!("declared"));
        let check = |text: &str, expected: Result<&str, &str>| {
            assert_eq!(providers.resolve(text).as_deref().map_err(String::as_str), expected, "{text}");
        };
        check("PLAINTEXT://:${env:HOME_PORT},A://:1", Ok("PLAINTEXT://:9092,A://:1"));
        check(&format!("${{file:{}:password}}", file.display()), Ok("s3cret"));
        check(&format!("${{dir:{}:secrets.properties}}", directory.path().display()), Ok("password=s3cret\n"));
        check("${other:x}", Ok("${other:x}"));
        check("${env:NONE}", Err("the environment variable NONE is not set"));
        check("${unclosed", Ok("${unclosed"));
    }

    #[test]
    fn unknown_classes_are_refused() {
        let texts = texts(&[("config.providers", "vault"), ("config.providers.vault.class", "com.example.Vault")]);
        let error = Providers::declared(&texts, &environment).err().unwrap();
        assert_eq!(error.key, "config.providers.vault.class");
    }
}
