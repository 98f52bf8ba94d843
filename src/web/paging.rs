//! Pages of long lists.

/// Which page of how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paging {
    /// From 1.
    pub page: u64,
    /// Entries a page.
    pub size: u64,
    /// Entries in all.
    pub total: u64,
}

impl Paging {
    /// The asked page, brought into range.
    pub fn new(page: Option<u64>, size: u64, total: u64) -> Self {
        let size = size.max(1);
        let pages = total.div_ceil(size).max(1);
        Self {
            page: page.unwrap_or(1).clamp(1, pages),
            size,
            total,
        }
    }

    /// How many pages there are, at least one.
    pub fn pages(&self) -> u64 {
        self.total.div_ceil(self.size).max(1)
    }

    /// Entries before this page.
    pub fn offset(&self) -> u64 {
        (self.page - 1) * self.size
    }

    /// Number of the first entry on this page, from 1; 0 when there is none.
    pub fn first(&self) -> u64 {
        if self.total == 0 {
            0
        } else {
            self.offset() + 1
        }
    }

    /// Number of the last entry on this page.
    pub fn last(&self) -> u64 {
        (self.offset() + self.size).min(self.total)
    }

    /// The page before.
    pub fn previous(&self) -> Option<u64> {
        (self.page > 1).then(|| self.page - 1)
    }

    /// The page after.
    pub fn next(&self) -> Option<u64> {
        (self.page < self.pages()).then(|| self.page + 1)
    }

    /// Numbers to show; `None` stands for a gap.
    pub fn numbers(&self) -> Vec<Option<u64>> {
        let mut numbers: Vec<Option<u64>> = Vec::new();
        for page in 1..=self.pages() {
            let is_near = page.abs_diff(self.page) <= 1;
            if page == 1 || page == self.pages() || is_near {
                numbers.push(Some(page));
            } else if numbers.last() != Some(&None) {
                numbers.push(None);
            }
        }
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::Paging;

    #[test]
    fn a_page_out_of_range_is_the_nearest_one() {
        assert_eq!(Paging::new(Some(99), 24, 48).page, 2);
        assert_eq!(Paging::new(Some(0), 24, 48).page, 1);
        assert_eq!(Paging::new(None, 24, 0).pages(), 1);
    }

    #[test]
    fn gaps_are_shown_once() {
        let numbers = Paging::new(Some(10), 1, 20).numbers();
        assert_eq!(
            numbers,
            [Some(1), None, Some(9), Some(10), Some(11), None, Some(20)]
        );
    }
}
