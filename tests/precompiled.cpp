// Nothing of its own: the target that holds precompiled headers needs a source.
