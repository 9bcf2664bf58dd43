// How a test's script says that there is nothing to test.

/** Exit status of a script on a kernel that tells no digest of sockets. */
export const NO_DIGEST = 77;
