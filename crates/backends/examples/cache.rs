//! Reads and writes a cache as a Lyceum site does, for other programs to compare notes with.
//!
//! Usage: `cache URL`. Each line that is read is a JSON array, such as `["set", "key", {"a": 1}]`;
//! each is answered with one line of JSON. What can be asked stands in [`answer`].

use std::error::Error;
use std::io::{BufRead as _, Write as _};
use std::time::Duration;

use backends::cache::{Cache, Timeout};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("usage: cache URL")?;
    let cache = Cache::open(&url)?;
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let question: Vec<Value> = serde_json::from_str(&line?)?;
        let told = match answer(&cache, &question).await {
            Ok(answer) => json!({ "answer": answer }),
            Err(error) => json!({ "error": error.to_string() }),
        };
        writeln!(output, "{told}")?;
        output.flush()?;
    }
    Ok(())
}

async fn answer(cache: &Cache, question: &[Value]) -> Result<Value, Box<dyn Error>> {
    let words: Vec<_> = question.iter().collect();
    let [Value::String(verb), Value::String(key), rest @ ..] = &*words else {
        return Err("a question is a verb, a key and what belongs to them".into());
    };
    Ok(match (verb.as_str(), rest) {
        ("get", []) => json!(cache.get::<Value>(key).await?),
        ("set", [value]) => json!(cache.set(key, value, Timeout::Forever).await?),
        ("set", [value, seconds]) => json!(cache.set(key, value, after(seconds)).await?),
        ("add", [value, seconds]) => json!(cache.add(key, value, after(seconds)).await?),
        ("incr", [by]) => json!(cache.incr(key, by.as_i64().unwrap_or(1)).await?),
        ("delete", []) => json!(cache.delete(key).await?),
        ("clear", []) => json!(cache.clear().await?),
        _ => return Err("this cannot be asked".into()),
    })
}

fn after(seconds: &Value) -> Timeout {
    Timeout::After(Duration::from_secs(seconds.as_u64().unwrap_or(0)))
}
