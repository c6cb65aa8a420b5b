/**
 * What a reranker talks about: candidate lists, their answers, and why something was left out. Plain values: this
 * package imports nothing of the project and nothing but the JDK.
 */
@NullMarked
package io.lychee.rerank.domain;

import org.jspecify.annotations.NullMarked;
