package io.lychee.rerank.image;

import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicInteger;

/** Named threads that never keep the JVM alive. */
final class Threads {

    private Threads() {}

    static ThreadFactory daemons(String name) {
        AtomicInteger count = new AtomicInteger();
        return task -> {
            Thread thread = new Thread(task, name + "-" + count.incrementAndGet());
            thread.setDaemon(true);
            // created on whatever thread comes first: don't keep that one's class loader
            thread.setContextClassLoader(Threads.class.getClassLoader());
            return thread;
        };
    }
}
