//! Which server a name lives on: rendezvous hashing as pymemcache 4's `HashClient` does it
//! (`pymemcache/client/rendezvous.py` and `murmur3.py`), so that it looks for a name where we put
//! it. The server with the highest hash of `server-name` wins; when one is left out its names go to
//! the next, and no other name moves.

/// How much a server wants a name.
pub fn score(server: &str, name: &str) -> u32 {
    let mut data = Vec::with_capacity(server.len() + 1 + name.len());
    let text = server.chars().chain(['-']).chain(name.chars());
    data.extend(text.map(low_byte));
    murmur3(&data)
}

/// pymemcache hashes characters, not bytes, and of each character the lowest eight bits.
fn low_byte(character: char) -> u8 {
    let [_, _, _, low] = u32::from(character).to_be_bytes();
    low
}

/// MurmurHash3 (x86, 32 bits, seed 0), by Austin Appleby, in the public domain.
fn murmur3(data: &[u8]) -> u32 {
    let (blocks, tail) = data.as_chunks::<4>();
    let mut hash = 0_u32;
    for block in blocks {
        hash = (hash ^ scramble(u32::from_le_bytes(*block)))
            .rotate_left(13)
            .wrapping_mul(5)
            .wrapping_add(0xe654_6b64);
    }
    let last = tail
        .iter()
        .rev()
        .fold(0, |last, byte| (last << 8) | u32::from(*byte));
    hash ^= scramble(last);
    // Of names of at most 250 bytes, so that nothing is cut off.
    hash ^= u32::try_from(data.len()).unwrap_or(u32::MAX);
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

fn scramble(block: u32) -> u32 {
    block
        .wrapping_mul(0xcc9e_2d51)
        .rotate_left(15)
        .wrapping_mul(0x1b87_3593)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where pymemcache 4.0.0 says that names live: `HashClient(SERVERS).hasher.get_node(name)`,
    /// with all three servers, and with the second one removed.
    const SERVERS: [&str; 3] = ["10.0.0.1:11211", "10.0.0.2:11211", "10.0.0.3:11211"];
    const HOMES: [(&str, usize, usize); 9] = [
        (":1:course:7", 0, 0),
        (":1:course:8", 1, 2),
        ("site:2:subject:algebra", 0, 0),
        (":1:a", 0, 0),
        (":1:b", 2, 2),
        (":1:c", 1, 0),
        (":1:Kürs:7", 0, 0),
        (":1:😀", 0, 0),
        (":1#47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", 2, 2),
    ];

    fn home(name: &str, servers: &[usize]) -> usize {
        let best = servers.iter().max_by_key(|at| score(SERVERS[**at], name));
        *best.expect("a server")
    }

    #[test]
    fn names_live_where_pymemcache_looks_for_them() {
        for (name, with_all, without_the_second) in HOMES {
            assert_eq!(home(name, &[0, 1, 2]), with_all, "{name}");
            assert_eq!(home(name, &[0, 2]), without_the_second, "{name}");
        }
    }

    #[test]
    fn hashes_are_those_of_pymemcache() {
        // `murmur3_32(text)` of pymemcache 4.0.0.
        for (server, name, hash) in [
            ("one:11211", ":1:course:7", 0xc145_aced),
            ("::1:11211", "site:2:k", 0x047a_8ab4),
            ("Kürs", "ß€😀x", 0xb8e6_d6c8),
        ] {
            assert_eq!(score(server, name), hash, "{server}-{name}");
        }
        for (data, hash) in [
            ("", 0),
            ("a", 0x3c25_69b2),
            ("ab", 0x9bbf_d75f),
            ("abc", 0xb3dd_93fa),
        ] {
            assert_eq!(murmur3(data.as_bytes()), hash, "{data}");
        }
    }
}
