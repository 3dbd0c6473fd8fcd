// The word that makes the program one of its roles; a file of its own, so that the entry loads nothing else.

/** The first argument of a role; its options follow as one JSON word. */
export const roleArgument = "__role";
