// Nothing of its own: the target that holds the precompiled header of the tests needs a source.
