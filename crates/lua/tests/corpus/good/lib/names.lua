return { first = "one", second = "two" }
