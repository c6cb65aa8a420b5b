@NullMarked
package io.lychee.rerank.records;

import org.jspecify.annotations.NullMarked;
