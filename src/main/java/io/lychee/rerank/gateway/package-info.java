/**
 * HTTP in front of the topics, and the console. A client of the job like any other: what it publishes is a candidate
 * list, what it waits for is an answer or a dead letter, so people see what the job does. It knows the wire and nothing
 * of scoring.
 */
@NullMarked
package io.lychee.rerank.gateway;

import org.jspecify.annotations.NullMarked;
