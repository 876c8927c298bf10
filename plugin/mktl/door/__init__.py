"""What lies between mKTL and co2: news, other hosts' items, values on XML-RPC."""
