@NullMarked
package io.lychee.rerank.cli;

import org.jspecify.annotations.NullMarked;
