//! Stops the build with a plain sentence when the browser's part has not been built.

fn main() {
    println!("cargo::rerun-if-changed=web/dist/VERSION");
    println!("cargo::rerun-if-changed=templates");
    if !std::path::Path::new("web/dist/VERSION").exists() {
        println!("cargo::error=web/dist is missing: run `make assets` first");
    }
}
