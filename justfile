# Five words. Each is one script or one cargo command, and works without just, too.

# Say everything about the code that can be said without running it
check:
    scripts/check

# Run all tests
test:
    scripts/test

# Build the documentation of all crates
docs:
    cargo doc --workspace --all-features --no-deps --open

# Accept what the snapshot tests see now; read the diff before committing
bless:
    INSTA_UPDATE=always INSTA_FORCE_PASS=1 cargo nextest run --workspace --all-features

# Measure
bench:
    cargo bench --workspace --all-features
