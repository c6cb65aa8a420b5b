package io.lychee.rerank.hub;

import java.util.List;

/**
 * Lists the files of a revision that a checkpoint needs.
 *
 * @param commit that the revision stands for now
 */
record Listing(String commit, List<RemoteFile> files) {}
