/** Maps records of the schemas to domain values and back, as Avro single-object encoding or plain JSON. */
@NullMarked
package io.lychee.rerank.wire;

import org.jspecify.annotations.NullMarked;
