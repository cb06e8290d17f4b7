"""Addresses: accounts here, everything else in searches.urls."""

from django.contrib import admin
from django.urls import include, path

from searches import accounts

urlpatterns = [
    path("accounts/login/", accounts.LoginView.as_view(), name="login"),
    path("accounts/logout/", accounts.LogoutView.as_view(), name="logout"),
    path("welcome/<str:token>/", accounts.welcome, name="welcome"),
    path("healthz", accounts.healthz, name="healthz"),
    path("admin/", admin.site.urls),
    path("", include("searches.urls")),
]
