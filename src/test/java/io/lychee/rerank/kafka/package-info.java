@NullMarked
package io.lychee.rerank.kafka;

import org.jspecify.annotations.NullMarked;
