"""ClassAds: the values, the language, and a face like the `classad2` module; no I/O in here."""
