"""The functions of the ClassAd language; importing a module of this room enters its functions."""
