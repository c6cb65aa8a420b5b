package io.lychee.rerank.config;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Declares the key of a record component. Bounds are inclusive and written like a value of the key.
 *
 * <p>A text may be empty only where its default is; a duration without {@link #min} is more than 0. A map takes every
 * key that starts with its name, without it.
 */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.RECORD_COMPONENT)
@interface Key {

    String REQUIRED = "\0";

    String name();

    String byDefault() default REQUIRED;

    String min() default "";

    String max() default "";

    /** Reads the number as a memory size, such as {@code 64 mb}. */
    boolean bytes() default false;

    /** Name in an earlier version, still read with a warning. */
    String formerly() default "";
}
