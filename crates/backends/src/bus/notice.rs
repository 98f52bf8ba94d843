//! What stands in the notifications of PostgreSQL by which processes hear each other.

/// What a notification says.
#[derive(Debug, PartialEq, Eq)]
pub enum Notice<'a> {
    Event {
        id: i64,
        instance: &'a str,
        group: &'a str,
        payload: Option<&'a str>,
    },
    Ping(&'a str),
    /// A process serves; or asks, being new, which ones do; or serves no more.
    Here(&'a str),
    Who(&'a str),
    Gone(&'a str),
    /// A process has reacted to these events of ours.
    Heard {
        name: &'a str,
        ids: Vec<i64>,
    },
    /// Something that need not last.
    Told {
        instance: &'a str,
        group: &'a str,
        payload: &'a str,
    },
}

impl<'a> Notice<'a> {
    /// `event <id> <instance> <group>[\n<payload>]`, `ping <nonce>`, `here <instance>`, `who <instance>`,
    /// `gone <instance>`, `heard <instance> <id>...` or `told <instance> <group>\n<payload>`.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (head, payload) = match text.split_once('\n') {
            Some((head, payload)) => (head, Some(payload)),
            None => (text, None),
        };
        let mut words = head.splitn(4, ' ');
        match (words.next()?, words.next()?) {
            ("ping", nonce) => Some(Self::Ping(nonce)),
            ("here", name) => Some(Self::Here(name)),
            ("who", name) => Some(Self::Who(name)),
            ("gone", name) => Some(Self::Gone(name)),
            ("heard", name) => {
                let ids = head.split(' ').skip(2).map(str::parse);
                let ids = ids.collect::<Result<Vec<i64>, _>>().ok()?;
                Some(Self::Heard { name, ids })
            }
            ("told", instance) => Some(Self::Told {
                instance,
                group: words.next()?,
                payload: payload?,
            }),
            ("event", id) => Some(Self::Event {
                id: id.parse().ok()?,
                instance: words.next()?,
                group: words.next()?,
                payload,
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_read_back_and_strange_ones_are_refused() {
        assert_eq!(
            Notice::parse("event 7 me room:1\n{\"a\":\"b c\"}"),
            Some(Notice::Event {
                id: 7,
                instance: "me",
                group: "room:1",
                payload: Some("{\"a\":\"b c\"}")
            })
        );
        assert_eq!(
            Notice::parse("event 7 me room:1"),
            Some(Notice::Event {
                id: 7,
                instance: "me",
                group: "room:1",
                payload: None
            })
        );
        assert_eq!(Notice::parse("ping x"), Some(Notice::Ping("x")));
        assert_eq!(Notice::parse("here a"), Some(Notice::Here("a")));
        assert_eq!(Notice::parse("who a"), Some(Notice::Who("a")));
        assert_eq!(Notice::parse("gone a"), Some(Notice::Gone("a")));
        assert_eq!(
            Notice::parse("heard a 7 9 8 10"),
            Some(Notice::Heard {
                name: "a",
                ids: vec![7, 9, 8, 10]
            })
        );
        assert_eq!(
            Notice::parse("told me here:1\n{}"),
            Some(Notice::Told {
                instance: "me",
                group: "here:1",
                payload: "{}"
            })
        );
        for strange in [
            "",
            "ping",
            "event",
            "event x me g",
            "event 7 me",
            "hello there",
            "heard a x",
            "told me here:1",
        ] {
            assert_eq!(Notice::parse(strange), None, "{strange:?}");
        }
    }
}
