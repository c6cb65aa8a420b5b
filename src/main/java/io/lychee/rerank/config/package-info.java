/** Declares, reads and checks every option of the job. A leaf. */
@NullMarked
package io.lychee.rerank.config;

import org.jspecify.annotations.NullMarked;
