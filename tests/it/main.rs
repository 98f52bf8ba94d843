#![cfg(test)]
//! Behavior of the whole site: a file a feature, over real HTTP.

mod imports;
