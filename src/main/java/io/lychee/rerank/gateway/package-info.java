/**
 * Serves HTTP and the console in front of the topics. It is a client of the job like any other: it publishes candidate
 * lists and waits for answers or dead letters. It knows the wire, and nothing of scoring.
 */
@NullMarked
package io.lychee.rerank.gateway;

import org.jspecify.annotations.NullMarked;
