// Which address shows which page. After the #, so that any server that has the one file can serve them all.
import { START_LOCATION, createRouter, createWebHashHistory } from "vue-router";
import type { RouteLocationNormalized, RouteLocationRaw, RouteRecordRaw } from "vue-router";
import { beginAnew } from "./state/missing";
import { useSession } from "./state/session";
import OverviewPage from "./pages/OverviewPage.vue";

declare module "vue-router" {
  interface RouteMeta {
    /** Of the window; a page that knows better says so itself. */
    title: string;
    /** For administrators only. */
    admin?: boolean;
    /** On the way in: without navigation, and only while one is not in. */
    entrance?: boolean;
  }
}

/** All but the first page come when they are asked for. */
export const routes: RouteRecordRaw[] = [
  { path: "/", name: "overview", component: OverviewPage, meta: { title: "Overview" } },
  { path: "/devices", name: "devices", component: () => import("./pages/DevicesPage.vue"), meta: { title: "Devices" } },
  {
    path: "/devices/:id",
    name: "device",
    component: () => import("./pages/DevicePage.vue"),
    props: true,
    meta: { title: "Device" },
  },
  {
    path: "/devices/:id/knee",
    name: "knee",
    component: () => import("./pages/KneePage.vue"),
    props: true,
    meta: { title: "Movement" },
  },
  {
    path: "/dead-letters",
    name: "dead-letters",
    component: () => import("./pages/DeadLettersPage.vue"),
    meta: { title: "Dead letters" },
  },
  { path: "/users", name: "users", component: () => import("./pages/UsersPage.vue"), meta: { title: "Users", admin: true } },
  { path: "/api-keys", name: "api-keys", component: () => import("./pages/KeysPage.vue"), meta: { title: "API keys" } },
  { path: "/settings", name: "settings", component: () => import("./pages/SettingsPage.vue"), meta: { title: "Settings" } },
  { path: "/login", name: "login", component: () => import("./pages/LoginPage.vue"), meta: { title: "Log in", entrance: true } },
  {
    path: "/password",
    name: "password",
    component: () => import("./pages/PasswordPage.vue"),
    meta: { title: "Choose a password", entrance: true },
  },
  { path: "/:rest(.*)*", name: "unknown", component: () => import("./pages/UnknownPage.vue"), meta: { title: "No such page" } },
];

export const router = createRouter({
  history: createWebHashHistory(),
  routes,
  scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? false : { top: 0 }),
});

/** Where somebody goes instead, if they may not go there yet, or at all. */
async function way(to: RouteLocationNormalized): Promise<RouteLocationRaw | true> {
  const session = useSession();
  await session.start();
  if (session.allowed) {
    if (to.meta.entrance) return returnAddress(to);
    return !to.meta.admin || session.isAdmin || { name: "unknown", params: { rest: to.path.slice(1).split("/") } };
  }
  const entrance = session.user === null ? "login" : "password";
  if (to.name === entrance) return true;
  return { name: entrance, query: to.meta.entrance ? to.query : to.path === "/" ? {} : { to: to.fullPath } };
}

/** A path of this page and nothing else. */
export function returnAddress(from: RouteLocationNormalized): string {
  const { to } = from.query;
  return typeof to === "string" && to.startsWith("/") ? to : "/";
}

router.beforeEach(way);
router.onError((_error, to, from) => {
  if (from !== START_LOCATION) void beginAnew(to.fullPath); // who has just begun anew must not do so for ever
});
router.afterEach((to) => {
  document.title = `${to.meta.title} · telemetrio`;
});
