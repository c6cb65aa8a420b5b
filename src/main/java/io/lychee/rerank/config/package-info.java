/** Every option of the job: key, type, default and description, read and checked once at start. A leaf. */
@NullMarked
package io.lychee.rerank.config;

import org.jspecify.annotations.NullMarked;
