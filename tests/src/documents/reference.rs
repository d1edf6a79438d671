//! The reference of the config, written from its JSON Schema.

use std::collections::VecDeque;

use serde_json::{Map, Value};

use super::program::headwall;
use crate::tidy::files;

const PAGE: &str = "docs/src/reference/config.md";
const HEAD: &str = "# Config reference

<!-- Written from the schema by the test `documents::reference`; UPDATE_EXPECT=1 writes it anew. -->

Every key of a config file, with its type and what holds when it is left out. `headwall schema` prints the same as a
JSON Schema for editors, and `headwall check --expanded FILE` prints a config with all defaults filled in. A key that is
not here is refused.
";

#[test]
fn the_config_reference_is_what_the_schema_says() {
    let output = headwall(&["schema".to_owned()]);
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    let page = page(&schema);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(files::root().join(PAGE), page).unwrap();
    } else {
        assert!(
            files::read(PAGE) == page,
            "{PAGE} is not what the schema says; UPDATE_EXPECT=1 writes it anew:\n{page}"
        );
    }
}

/// Definitions by name, and those that are still to be written.
struct Reference<'a> {
    definitions: &'a Map<String, Value>,
    sections: VecDeque<&'a str>,
    values: Vec<&'a str>,
    seen: Vec<&'a str>,
}

fn page(schema: &Value) -> String {
    let definitions = schema["$defs"].as_object().unwrap();
    let mut reference =
        Reference { definitions, sections: VecDeque::new(), values: Vec::new(), seen: Vec::new() };
    let mut text = HEAD.to_owned();
    text.push_str("\n## The file\n\n");
    reference.keys(&mut text, schema);
    while let Some(name) = reference.sections.pop_front() {
        let definition = &definitions[name];
        text.push_str(&format!("\n## {}\n\n{}\n\n", title(name), description(definition)));
        reference.keys(&mut text, definition);
    }
    text.push_str("\n## Values\n\n| value | how it is written | examples |\n|---|---|---|\n");
    reference.values.sort_unstable();
    for name in &reference.values {
        let definition = &definitions[*name];
        let examples: Vec<_> = definition["examples"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|value| format!("`{}`", plain(value)))
            .collect();
        let choices = choices(definition);
        text.push_str(&format!(
            "| <a id=\"{}\"></a>{} | {} | {} |\n",
            anchor(name),
            in_a_sentence(&title(name)),
            cell(&[description(definition), choices].concat()),
            examples.join(", ")
        ));
    }
    text
}

impl<'a> Reference<'a> {
    /// The table of a mapping's keys.
    fn keys(&mut self, text: &mut String, schema: &'a Value) {
        text.push_str("| key | type | default | meaning |\n|---|---|---|---|\n");
        let required: Vec<_> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (key, value) in schema["properties"].as_object().into_iter().flatten() {
            let default = match value.get("default") {
                _ if required.contains(&key.as_str()) => "required".to_owned(),
                Some(Value::Object(map)) if !map.is_empty() => "as below".to_owned(),
                Some(Value::Null) | None => "–".to_owned(),
                Some(Value::String(text)) if text.is_empty() => "–".to_owned(),
                Some(value) => format!("`{}`", plain(value)),
            };
            let kind = self.kind(value);
            let meaning = match description(value) {
                // A slot's own description says nothing of the module in it.
                text if text.is_empty() => self.target(value).map(description).unwrap_or_default(),
                text => text,
            };
            text.push_str(&format!("| `{key}` | {kind} | {default} | {} |\n", cell(&meaning)));
        }
    }

    /// The type of a value, linked to where it is told.
    fn kind(&mut self, schema: &'a Value) -> String {
        if let Some(name) = reference(schema) {
            return self.link(name);
        }
        if let Some(choices) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
            let kinds: Vec<_> = choices
                .iter()
                .filter(|choice| choice["type"] != "null")
                .map(|choice| self.kind(choice))
                .collect();
            return kinds.join(" or ");
        }
        if let Some(words) = schema["enum"].as_array() {
            let words: Vec<_> = words.iter().map(|word| format!("`{}`", plain(word))).collect();
            return words.join(" or ");
        }
        if let Some(value) = schema.get("const") {
            return format!("`{}`", plain(value));
        }
        let word = match &schema["type"] {
            Value::Array(words) => words.iter().filter_map(Value::as_str).find(|word| *word != "null"),
            word
            @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
                word.as_str()
            }
        };
        match word {
            Some("array") => format!("list of {}", self.kind(&schema["items"])),
            Some("object") if schema["additionalProperties"].is_object() => {
                format!("map to {}", self.kind(&schema["additionalProperties"]))
            }
            Some("integer") => format!("number{}", range(schema)),
            Some("string") => "text".to_owned(),
            Some("boolean") => "`true` or `false`".to_owned(),
            Some(word) => word.to_owned(),
            None => "anything".to_owned(),
        }
    }

    /// A link to a definition's section, or to its row among the values.
    fn link(&mut self, name: &'a str) -> String {
        let definition = &self.definitions[name];
        let is_section = definition["properties"].is_object() || name == "UpstreamSlot";
        if name == "UpstreamSlot" {
            // A cluster is what stands there unless a kind is named.
            return definition["anyOf"][0]["anyOf"][0]["$ref"]
                .as_str()
                .and_then(|path| self.definitions.get_key_value(path.trim_start_matches("#/$defs/")))
                .map_or_else(|| "upstream".to_owned(), |(name, _)| self.link(name));
        }
        if name == "Tls" {
            return self.kind(definition);
        }
        if !self.seen.contains(&name) {
            self.seen.push(name);
            if is_section {
                self.sections.push_back(name);
            } else {
                // What its choices are made of is told too.
                let _ = self.kind(definition);
                self.values.push(name);
            }
        }
        format!("[{}](#{})", in_a_sentence(&title(name)), anchor(name))
    }

    fn target(&self, schema: &Value) -> Option<&'a Value> {
        let inner = schema["anyOf"].as_array().and_then(|choices| choices.first()).unwrap_or(schema);
        self.definitions.get(reference(inner)?)
    }
}

fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix("#/$defs/")
}

/// The names of types as a reader knows them.
fn title(name: &str) -> String {
    let known = [
        ("FilterSlot", "Filter"),
        ("ClusterSettings", "Upstream"),
        ("Long", "Server with a weight"),
        ("UpstreamRef", "Upstream name"),
        ("KeySource", "Limit key"),
        ("Condition", "Match"),
        ("WebSocket", "Websocket"),
        ("TlsSettings", "TLS settings"),
        ("TlsVersion", "TLS version"),
        ("Acme", "ACME"),
        ("AcmeAuthority", "ACME authority"),
        ("AcmeAccount", "ACME account"),
        ("AcmeChallenge", "ACME challenge"),
        ("AcmeDns", "ACME over DNS"),
        ("ClientAuth", "Client certificates"),
        ("ClientAuthMode", "Client certificates mode"),
        ("HttpsRedirect", "Redirect to HTTPS"),
    ];
    if let Some((_, title)) = known.iter().find(|(known, _)| *known == name) {
        return (*title).to_owned();
    }
    let mut title = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !title.is_empty() {
            title.push(' ');
            title.extend(c.to_lowercase());
        } else {
            title.push(c);
        }
    }
    title
}

/// A title in the middle of a sentence, where abbreviations stay as they are.
fn in_a_sentence(title: &str) -> String {
    let is_short_for = |word: &&str| word.len() > 1 && word.chars().all(char::is_uppercase);
    let words = title.split(' ');
    let words =
        words.map(|word| Some(word).filter(is_short_for).map_or_else(|| word.to_lowercase(), str::to_owned));
    words.collect::<Vec<_>>().join(" ")
}

fn anchor(name: &str) -> String {
    title(name).to_lowercase().replace(' ', "-")
}

/// The first paragraph: what follows is for programmers.
fn description(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split("\n\n").next().unwrap_or_default().replace('\n', " ")
}

/// The words that a value may be, with what each means.
fn choices(schema: &Value) -> String {
    let choices = schema["oneOf"].as_array().into_iter().flatten();
    let told = choices.map(|choice| {
        let word = match (choice.get("const"), choice["properties"].as_object()) {
            (Some(value), _) => plain(value),
            (None, Some(properties)) => properties.keys().map(|key| format!("{key}: …")).collect(),
            (None, None) => String::new(),
        };
        format!(" `{word}`: {}", description(choice))
    });
    told.collect()
}

fn range(schema: &Value) -> String {
    let limit = |key: &str| schema[key].as_u64();
    match (limit("minimum"), limit("maximum")) {
        (Some(0) | None, None) => String::new(),
        (Some(least), Some(most)) if (least, most) != (0, 65_535) => format!(", {least} to {most}"),
        (Some(least), None) => format!(", at least {least}"),
        (Some(_) | None, Some(_)) => String::new(),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
